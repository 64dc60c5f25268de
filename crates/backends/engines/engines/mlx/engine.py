from importlib.metadata import version

import mlx.core as mx
import numpy as np
from attn_engine import isa, serve


class Engine:
    library = f"mlx {version('mlx')}"
    isa = isa()

    def __init__(self, threads):
        mx.set_default_device(mx.cpu)

    def prepare(self, p, t):
        self.p = p
        self.load(t)
        self.run()

    def load(self, t):
        own = lambda x: mx.array(x).view(mx.bfloat16) if self.p.dtype == "bf16" else mx.array(x)
        self.q, self.k, self.v = (own(x) for x in (t.q, t.k, t.v))
        self.mask = None if t.bias is None else mx.array(t.bias)
        if t.bias is not None and t.bias.dtype != np.bool_:
            self.mask = self.mask.astype(self.q.dtype)
        self.mask = "causal" if self.p.causal else self.mask
        self.sinks = None if t.sinks is None else mx.array(t.sinks).astype(self.q.dtype)
        mx.eval(self.q, self.k, self.v)

    def run(self):
        self.o = mx.fast.scaled_dot_product_attention(
            self.q, self.k, self.v, scale=self.p.scale, mask=self.mask, sinks=self.sinks
        )
        mx.eval(self.o)

    def store(self, t):
        t.o[...] = np.array(self.o.view(mx.uint16) if self.p.dtype == "bf16" else self.o)


serve(Engine)
