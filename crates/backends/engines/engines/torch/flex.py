"""flex_attention, compiled: the problem's softcap and bias as a modification of the scores, causal masking as a mask of blocks."""
import torch
from torch.nn.attention.flex_attention import create_block_mask, flex_attention


def call(engine, p):
    def modify(score, b, h, i, j):
        score = p.softcap * torch.tanh(score / p.softcap) if p.softcap else score
        return score + engine.bias[b % batch, h % heads, i, j] if biased else score

    biased, lse = "bias" in p.tensors, "lse" in p.tensors
    batch, heads = p.tensors["bias"]["dims"][:2] if biased else (1, 1)
    modified = modify if p.softcap or biased else None
    offset = p.len_k - p.len_q if p.causal == "bottom-right" else 0
    below = lambda b, h, i, j: i + offset >= j
    block = create_block_mask(below, None, None, p.len_q, p.len_k, device="cpu") if p.causal else None
    options = {"scale": p.scale, "enable_gqa": p.heads_q != p.heads_kv, "return_lse": lse}
    compiled = torch.compile(flex_attention, dynamic=False)
    attend = lambda: compiled(engine.q, engine.k, engine.v, modified, block, **options)
    return attend if lse else lambda: (attend(), None)
