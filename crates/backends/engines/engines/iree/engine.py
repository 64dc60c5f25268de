from importlib.metadata import version

import iree.compiler as compiler
import iree.runtime as runtime
import ml_dtypes
import numpy as np
from attn_engine import isa, serve

# Axes: sequence, head of k and v, query head of its group, query, column of v, column of q, key.
MAP = "affine_map<(b, h, g, m, n, c, l) -> ({})>"
AXES = {"q": "b, h, g, m, c", "k": "b, h, l, c", "v": "b, h, l, n", "scale": "", "o": "b, h, g, m, n"}
MODEL = """func.func @attention(%q: tensor<{q}>, %k: tensor<{k}>, %v: tensor<{v}>) -> tensor<{o}> {{
  %scale = arith.constant {scale:e} : {type}
  %none = tensor.empty() : tensor<{o}>
  %o = iree_linalg_ext.attention <{{indexing_maps = [{maps}]}}>
    ins(%q, %k, %v, %scale : tensor<{q}>, tensor<{k}>, tensor<{v}>, {type}) outs(%none : tensor<{o}>) {{
    ^bb0(%score: f32):
      iree_linalg_ext.yield %score : f32
  }} -> tensor<{o}>
  return %o : tensor<{o}>
}}"""


class Engine:
    library = f"iree {version('iree-base-compiler')}"
    isa = isa()

    def __init__(self, threads):
        runtime.flags.parse_flags(f"--task_topology_group_count={threads}")
        self.device = runtime.get_device("local-sync" if threads == 1 else "local-task")

    def prepare(self, p, t):
        group = p.heads_q // p.heads_kv
        self.shape = (p.batch, p.heads_kv, group, p.len_q, p.dim)
        sizes = {"q": self.shape, "k": t.k.shape, "v": t.v.shape, "o": (*self.shape[:4], p.dim_v)}
        types = {name: "x".join(map(str, size)) + f"x{p.dtype}" for name, size in sizes.items()}
        maps = ", ".join(MAP.format(axes) for axes in AXES.values())
        options = ["--iree-llvmcpu-target-cpu=host", "--iree-opt-level=O3"]
        text = MODEL.format(scale=p.scale, type=p.dtype, maps=maps, **types)
        binary = compiler.compile_str(text, target_backends=["llvm-cpu"], extra_args=options)
        config = runtime.Config(device=self.device)
        module = runtime.VmModule.copy_buffer(config.vm_instance, binary)
        self.attention = runtime.load_vm_module(module, config)["attention"]
        self.load(t)
        self.run()

    def load(self, t):
        own = lambda x: x.view(ml_dtypes.bfloat16) if x.dtype == np.uint16 else x
        place = lambda x: runtime.asdevicearray(self.device, np.ascontiguousarray(own(x)))
        self.inputs = [place(t.q.reshape(self.shape)), place(t.k), place(t.v)]

    def run(self):
        self.o = self.attention(*self.inputs)

    def store(self, t):
        t.o[...] = self.o.to_host().view(t.o.dtype).reshape(t.o.shape)


serve(Engine)
