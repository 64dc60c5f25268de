import os
import tempfile

import numpy as np
import tract
from attn_engine import isa, serve

MODEL = """version 1.0;
extension tract_registry tract_core;
extension tract_registry tract_transformers;
graph attention({names}) -> (o) {{
{inputs}
  o = tract_transformers_sdpa({names}, scale = {scale!r}, is_causal = {causal}, datum_type = '{dtype}', acc_datum_type = 'f32');
}}
"""


class Engine:
    library = f"tract {tract.version()}"
    isa = isa()

    def __init__(self, threads):
        pass

    def prepare(self, p, t):
        self.p, self.names = p, [name for name in ("q", "k", "v", "bias") if name in p.tensors]
        external = "  {0} = tract_core_external(shape = {dims}, datum_type = '{dtype}');"
        inputs = [external.format(name, dims=p.tensors[name]["dims"], dtype=p.dtype) for name in self.names]
        causal = "true" if p.causal else "false"
        text = {"names": ", ".join(self.names), "inputs": "\n".join(inputs), "scale": p.scale, "causal": causal}
        with tempfile.TemporaryDirectory() as folder:
            with open(os.path.join(folder, "graph.nnef"), "w") as file:
                file.write(MODEL.format(dtype=p.dtype, **text))
            model = tract.nnef().with_tract_transformers().load(folder)
        self.state = model.into_runnable().spawn_state()
        self.load(t)
        self.run()

    def load(self, t):
        arrays = [getattr(t, name).astype(t.q.dtype) for name in self.names]
        self.inputs = [tract.Tensor.from_numpy(array) for array in arrays]

    def run(self):
        self.o = self.state.run(self.inputs)[0]

    def store(self, t):
        t.o[...] = self.o.to_numpy()


serve(Engine)
