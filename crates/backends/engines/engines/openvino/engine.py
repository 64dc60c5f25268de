import numpy as np
import openvino as ov
from attn_engine import isa, serve
from openvino import opset13 as ops

TYPES = {"f32": ov.Type.f32, "bf16": ov.Type.bf16, "f16": ov.Type.f16, "bool": ov.Type.boolean}


class Engine:
    library = f"openvino {ov.get_version().split('-')[0]}"
    isa = isa()

    def __init__(self, threads):
        self.core, self.threads = ov.Core(), threads

    def prepare(self, p, t):
        names = [name for name in ("q", "k", "v", "bias") if name in p.tensors]
        places = [p.tensors[name] for name in names]
        inputs = [ops.parameter(place["dims"], TYPES[place["dtype"]]) for place in places]
        q, k, v, *mask = inputs
        if p.heads_q != p.heads_kv:
            # A head of k and v beside each query head: the plugin's own kernel knows no groups.
            k, v = (self.repeat(x, p, width) for x, width in ((k, p.dim), (v, p.dim_v)))
        number = lambda x: ops.convert(ops.constant(np.float32(x)), p.dtype)
        if mask and p.tensors["bias"]["dtype"] == "f32":
            mask = [ops.convert(mask[0], p.dtype)]
        if abs(p.scale * p.dim**0.5 - 1) > 1e-12:
            # The arguments have places: a mask before the scale.
            mask = [*(mask or [number(0)]), number(p.scale)]
        attention = ops.scaled_dot_product_attention(q, k, v, *mask, causal=p.causal is not None)
        config = {"INFERENCE_NUM_THREADS": self.threads, "INFERENCE_PRECISION_HINT": p.dtype}
        config |= {"PERFORMANCE_HINT": "LATENCY", "ENABLE_CPU_PINNING": False}
        compiled = self.core.compile_model(ov.Model([attention], inputs, "attention"), "CPU", config)
        self.request, self.names = compiled.create_infer_request(), names
        self.tensors = {name: self.request.get_input_tensor(at) for at, name in enumerate(names)}
        self.load(t)
        self.run()

    def repeat(self, x, p, width):
        group = p.heads_q // p.heads_kv
        shape = lambda *sizes: ops.constant(np.array(sizes, np.int64))
        apart = ops.reshape(x, shape(p.batch, p.heads_kv, 1, p.len_k, width), False)
        wide = ops.broadcast(apart, shape(p.batch, p.heads_kv, group, p.len_k, width))
        return ops.reshape(wide, shape(p.batch, p.heads_q, p.len_k, width), False)

    def load(self, t):
        for name, tensor in self.tensors.items():
            np.asarray(tensor.data).view(getattr(t, name).dtype)[...] = getattr(t, name)

    def run(self):
        self.request.start_async()
        self.request.wait()

    def store(self, t):
        t.o[...] = np.asarray(self.request.get_output_tensor(0).data).view(t.o.dtype)


serve(Engine)
