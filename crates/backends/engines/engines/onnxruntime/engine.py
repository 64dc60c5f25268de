import numpy as np
import onnxruntime as ort
from attn_engine import isa, serve
from onnx import TensorProto, helper

TYPES = {"f32": TensorProto.FLOAT, "f16": TensorProto.FLOAT16, "bool": TensorProto.BOOL}


class Engine:
    library = f"onnxruntime {ort.__version__}"
    isa = isa()

    def __init__(self, threads):
        self.options = ort.SessionOptions()
        self.options.intra_op_num_threads = threads

    def prepare(self, p, t):
        names = [name for name in ("q", "k", "v", "bias") if name in p.tensors]
        info = lambda name, place: helper.make_tensor_value_info(name, TYPES[place["dtype"]], place["dims"])
        # The operator takes no scale of 0 or below: queries take its sign, which is exact.
        self.sign = None if p.scale > 0 else np.sign(p.scale)
        attributes = {"scale": abs(p.scale) or 1.0, "is_causal": int(p.causal is not None), "softcap": p.softcap or 0.0}
        node = helper.make_node("Attention", names, ["o"], **attributes)
        inputs = [info(name, p.tensors[name]) for name in names]
        graph = helper.make_graph([node], "attention", inputs, [info("o", p.tensors["o"])])
        model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 23)], ir_version=10)
        text = model.SerializeToString()
        self.session = ort.InferenceSession(text, self.options, providers=["CPUExecutionProvider"])
        self.names, self.binding = names, self.session.io_binding()
        self.o = ort.OrtValue.ortvalue_from_numpy(np.zeros_like(t.o))
        self.binding.bind_ortvalue_output("o", self.o)
        self.load(t)
        self.run()

    def load(self, t):
        for name in self.names:
            x = getattr(t, name)
            if name == "q" and self.sign is not None:
                x = x * x.dtype.type(self.sign)
            value = ort.OrtValue.ortvalue_from_numpy(x)
            self.binding.bind_ortvalue_input(name, value)

    def run(self):
        self.session.run_with_iobinding(self.binding)

    def store(self, t):
        t.o[...] = self.o.numpy()


serve(Engine)
