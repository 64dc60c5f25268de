import ctypes as c
from importlib.metadata import version

import ggml
import numpy as np
from attn_engine import serve

TYPES = {"f32": ggml.F32, "f16": ggml.F16, "bf16": ggml.BF16}


class Engine:
    library = f"llama.cpp {version('xllamacpp')}"
    isa = "AVX2 (compile time)" if ggml.cpu_has_avx2() else "baseline (compile time)"

    def __init__(self, threads):
        ggml.cpu_init()
        pool = ggml.threadpool_params_default(threads)
        self.threads, self.context = threads, None
        self.pool = ggml.threadpool_new(pool) if threads > 1 else None

    def prepare(self, p, t):
        if self.context:
            ggml.free(self.context)
        sizes = sum(x.nbytes for x in (t.q, t.k, t.v, t.o, t.bias) if x is not None)
        self.context = context = ggml.init(ggml.Init(4 * sizes + (16 << 20), None, False))
        kind = TYPES[p.dtype]
        tensor = lambda x, kind: ggml.new_tensor_4d(context, kind, *reversed(x.shape))
        self.q, self.k, self.v = (tensor(x, kind) for x in (t.q, t.k, t.v))
        self.mask = None if t.bias is None else tensor(t.bias, ggml.F16)
        self.sinks = None if t.sinks is None else ggml.new_tensor_4d(context, ggml.F32, t.sinks.size, 1, 1, 1)
        # The operator takes queries in f32 and returns f32.
        q = self.q if kind == ggml.F32 else ggml.cast(context, self.q, ggml.F32)
        o = ggml.flash_attn_ext(context, q, self.k, self.v, self.mask, p.scale, 0.0, p.softcap or 0.0)
        if self.sinks:
            ggml.add_sinks(o, self.sinks)
        self.o = o if kind == ggml.F32 else ggml.cast(context, o, kind)
        self.graph = ggml.new_graph(context)
        ggml.build_forward_expand(self.graph, self.o)
        self.plan = ggml.graph_plan(self.graph, self.threads, self.pool)
        self.work = c.create_string_buffer(max(self.plan.size, 1))
        self.plan.work = c.cast(self.work, c.c_void_p)

    def load(self, t):
        mask = None if t.bias is None else np.where(t.bias, np.float16(0), np.float16(-np.inf))
        for tensor, x in ((self.q, t.q), (self.k, t.k), (self.v, t.v), (self.sinks, t.sinks), (self.mask, mask)):
            if x is not None:
                c.memmove(ggml.get_data(tensor), x.ctypes.data, x.nbytes)

    def run(self):
        if ggml.graph_compute(self.graph, self.plan):
            raise RuntimeError("ggml_graph_compute failed")

    def store(self, t):
        # The result is [B, Nq, Hq, Dv].
        b, h, n, d = t.o.shape
        o = (c.c_char * t.o.nbytes).from_address(ggml.get_data(self.o))
        t.o[...] = np.frombuffer(o, t.o.dtype).reshape(b, n, h, d).transpose(0, 2, 1, 3)


serve(Engine)
