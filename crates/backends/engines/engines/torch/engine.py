import flex
import torch
from attn_engine import serve
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.nn.functional import scaled_dot_product_attention


def tensor(array, dtype):
    tensor = torch.from_numpy(array).clone()
    return tensor.view(torch.bfloat16) if dtype == "bf16" else tensor


class Engine:
    library = f"torch {torch.__version__}"
    isa = f"{torch.backends.cpu.get_cpu_capability()} (run time)"

    def __init__(self, threads):
        torch.set_num_threads(threads)
        torch.inference_mode().__enter__()

    def prepare(self, p, t):
        self.p = p
        self.call = flex.call(self, p) if p.backend == "torch/compile" else self.sdpa
        if p.backend == "torch/math":
            sdpa_kernel([SDPBackend.MATH]).__enter__()
        # Compiles, and has libraries look at the processor.
        self.load(t)
        self.run()

    def load(self, t):
        self.q, self.k, self.v = (tensor(x, self.p.dtype) for x in (t.q, t.k, t.v))
        self.bias = None if t.bias is None else torch.from_numpy(t.bias).clone()

    def sdpa(self):
        p = self.p
        options = {"is_causal": p.causal is not None, "scale": p.scale, "enable_gqa": p.heads_q != p.heads_kv}
        return scaled_dot_product_attention(self.q, self.k, self.v, self.bias, **options), None

    def run(self):
        self.o, self.lse = self.call()

    def store(self, t):
        o = self.o.contiguous()
        t.o[...] = (o.view(torch.uint16) if self.p.dtype == "bf16" else o).numpy()
        if self.lse is not None:
            t.lse[...] = self.lse.numpy()


serve(Engine)
