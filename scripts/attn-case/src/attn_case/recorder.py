"""Calls of functions that take what PyTorch's scaled_dot_product_attention takes, as attn-case/1 files."""

import contextlib
import fnmatch
import functools
import itertools
import re
import sys
import threading
from pathlib import Path

import numpy as np

from .files import Raw, raw, save

AXES = "BHND"
# The arguments of PyTorch's function behind query, key and value.
ARGUMENTS = ("attn_mask", "dropout_p", "is_causal", "scale", "enable_gqa")
# So many of them may be given without their names.
POSITIONAL = 3


def record(path, function, query, key, value, *args, layout=None, mask_axes=None, case=None, **kwargs):
    """Call `function`, write what it was given and what it returned to `path`, and return that unchanged.

    query, key, value  [B,H,N,D], each a NumPy array or a PyTorch tensor on any device, of f64, f32, f16 or bf16
    args, kwargs       as PyTorch's: attn_mask, dropout_p (0 only), is_causal (the diagonal starts at the first key),
                       scale, enable_gqa; the function gets them as they are, and no others
    layout             the axes of query, key, value and the output where they are not "BHND": "BNHD", "BND", "HND", ..;
                       of what is left out there is one
    mask_axes          the axes of attn_mask where they are not the last ones of "BHQK" (as many as layout has): "BK" of
                       a tokenizer's padding mask, "BQK", ..; with it, the integers 1 (attend) and 0 are taken too
    case               keywords of `encode` for what the arguments do not say: {"causal": "bottom-right"}, {"window":
                       (4, 0)}, {"tolerance": (rtol, atol)}, {"arithmetic": {"scores": "tf32"}}, ..

    ValueError, before the call, says what cannot be written; after it, that the output has another type or shape.
    """
    problem = _problem(query, key, value, args, kwargs, layout, mask_axes)
    out = function(query, key, value, *args, **kwargs)
    if isinstance(out, (tuple, list)):
        raise ValueError(
            f"{_name(function)} returned a {type(out).__name__}, expected the output alone: "
            "record a function that returns that part, such as lambda *args, **kwargs: f(*args, **kwargs)[0]"
        )
    about = {"source": _source(function)} | (case or {})
    save(path, **problem, out=_arranged(raw("out", out), layout or AXES, AXES), **about)
    return out


@contextlib.contextmanager
def recording(folder, *, function=None, model=None, layers=None, calls=None, limit=None, **options):
    """Write each call of `function` while the block runs to a file in `folder`; gives the list of their paths.

    function  default: torch.nn.functional.scaled_dot_product_attention.  It is replaced under every name that a loaded
              module has for it, and put back when the block ends, whatever ends it.
    model     a torch.nn.Module: files are named after the layer that called, as in 0003-encoder.layer.3.attention
    layers    only the layers whose names match: "encoder.layer.[02].*"; needs the model
    calls     only those calls, counted from 0: {0, 5}, range(12)
    limit     at most so many files
    options   layout, mask_axes and case, as for `record`

    No file is overwritten: where a name is taken, a number is added.  RuntimeError if there was nothing to record.
    """
    if layers is not None and model is None:
        raise ValueError("layers is given without model, expected model= too: it has their names")
    if function is None:
        from torch.nn.functional import scaled_dot_product_attention as function
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    files, numbers, ended = [], itertools.count(), threading.Event()

    def wanted(number, layer):
        return (
            not ended.is_set()
            and (limit is None or len(files) < limit)
            and (calls is None or number in calls)
            and (layers is None or fnmatch.fnmatchcase(layer, layers))
        )

    with contextlib.ExitStack() as stack:
        # Somebody may hold the recorder beyond the block.
        stack.callback(ended.set)
        names = stack.enter_context(_under_way(model)) if model is not None else [""]

        @functools.wraps(function)
        def recorder(*args, **kwargs):
            number, layer = next(numbers), names[-1] if names else ""
            if not wanted(number, layer):
                return function(*args, **kwargs)
            path = _reserved(folder, f"{number:04}-{layer}" if layer else f"{number:04}")
            files.append(path)
            try:
                return record(path, function, *args, **options, **kwargs)
            except BaseException:
                files.remove(path)
                path.unlink()
                raise

        stack.enter_context(_replaced(function, recorder))
        yield files
    if not files:
        raise RuntimeError(_nothing(_name(function), next(numbers)))


# ---- one call


def _problem(query, key, value, args, kwargs, layout, mask_axes):
    """The keywords of `encode` for a call, with copies of its tensors."""
    if unknown := [name for name in kwargs if name not in ARGUMENTS]:
        raise ValueError(
            f"{unknown[0]} is given, expected {', '.join(ARGUMENTS)}: bind it with functools.partial, "
            'and say what it means in case=, such as case={"window": (4, 0)}'
        )
    if len(args) > POSITIONAL:
        raise ValueError(f"{3 + len(args)} arguments without names are given, expected at most {3 + POSITIONAL}")
    call = dict(zip(ARGUMENTS, args)) | kwargs
    if call.get("dropout_p"):
        raise ValueError(f"dropout_p is {call['dropout_p']}, expected 0: what is dropped is random; call model.eval()")
    q, k, v = (_operand(name, x, layout) for name, x in (("query", query), ("key", key), ("value", value)))
    if layout is None and q.shape[1] % k.shape[1] and q.shape[2] % k.shape[2] == 0:
        shapes = f"query is {list(q.shape)}, key {list(k.shape)}"
        raise ValueError(f'{shapes}, expected [B,H,N,D]; if they are [B,N,H,D], say layout="BNHD"')
    problem = {"q": q, "k": k, "v": v, "scale": call.get("scale")}
    if call.get("attn_mask") is not None:
        full = {"B": q.shape[0], "H": q.shape[1], "Q": q.shape[2], "K": k.shape[2]}
        problem["mask"] = _mask(raw("attn_mask", call["attn_mask"]), mask_axes, layout or AXES, full)
    if call.get("is_causal"):
        problem["causal"] = "top-left"
    return problem


def _operand(name, x, layout):
    """q, k or v as [B,H,N,D]."""
    x = raw(name, x)
    if layout is None and len(x.shape) != 4:
        hint = {
            2: '"ND"',
            3: '"BND" if the first axis is the batch, "HND" if it is heads, "NHD" if heads are in the middle',
        }.get(len(x.shape), "that of a view with four axes")
        raise ValueError(f"{name} is {list(x.shape)}, expected [B,H,N,D]; say what its axes are: layout={hint}")
    layout = layout or AXES
    if not {"N", "D"} <= set(layout) <= set(AXES) or len(set(layout)) != len(layout):
        raise ValueError(f'layout is {layout!r}, expected N, D and perhaps B and H, each once, such as "BNHD"')
    if len(x.shape) != len(layout):
        raise ValueError(f"{name} is {list(x.shape)}, expected {len(layout)} axes, those of layout={layout!r}")
    return _arranged(x, layout, AXES)


def _mask(mask, axes, layout, full):
    """attn_mask as [B,H,Q,K], each axis `full` or 1."""
    default = "".join(axis for axis in "BH" if axis in layout) + "QK"
    if mask.kind.startswith("int") and axes is not None and np.isin(mask.array, (0, 1)).all():
        mask = Raw("bool", mask.array != 0)
    if mask.kind.startswith("int"):
        raise ValueError(
            f"attn_mask is {mask.kind}, expected bool (true = attend) or a float that is added to the scores; "
            'for a padding mask [B,Nk] of the integers 1 and 0 say mask_axes="BK"'
        )
    found = axes or default[-len(mask.shape) :]
    if not set(found) <= set("BHQK") or len(set(found)) != len(found):
        raise ValueError(f'mask_axes is {axes!r}, expected some of B, H, Q, K, each once, such as "BK"')
    if len(found) != len(mask.shape) or any(n not in (1, full[axis]) for n, axis in zip(mask.shape, found)):
        wanted = ", ".join(f"{axis} {full[axis]}" for axis in (axes or default))
        hint = "" if axes else '; a padding mask [B,Nk] is mask_axes="BK", other masks are "BQK", "HQK", ..'
        raise ValueError(f"attn_mask is {list(mask.shape)}, expected the last of {wanted}, each full or 1{hint}")
    return _arranged(mask, found, "BHQK")


def _arranged(x, have, want):
    """`x`, whose axes are `have`, with the axes `want`: those that it has not get size 1."""
    if len(x.shape) != len(have):
        raise ValueError(f"out is {list(x.shape)}, expected {len(have)} axes, {', '.join(have)}")
    array = x.array.transpose([have.index(axis) for axis in want if axis in have])
    return Raw(x.kind, array[tuple(slice(None) if axis in have else None for axis in want)])


def _name(function):
    return getattr(function, "__name__", None) or type(function).__name__


def _source(function):
    """The function and the version of its package, where they are known."""
    package = (getattr(function, "__module__", None) or "").split(".")[0]
    version = getattr(sys.modules.get(package), "__version__", None)
    return _name(function) + (f" of {package} {version}" if version else "")


# ---- all calls


@contextlib.contextmanager
def _replaced(function, stand_in):
    """Put `stand_in` in the place of `function` in the names of all modules that are loaded."""
    spaces = [
        space for module in list(sys.modules.values()) if type(space := getattr(module, "__dict__", None)) is dict
    ]
    places = [(space, name) for space in spaces for name, value in list(space.items()) if value is function]
    try:
        for space, name in places:
            space[name] = stand_in
        yield
    finally:
        for space, name in places:
            if space.get(name) is stand_in:
                space[name] = function


@contextlib.contextmanager
def _under_way(model):
    """The names of the layers whose forward has begun and not ended, the innermost last."""
    names = []

    def enter(name):
        return lambda *_: names.append(name)

    def leave(*_):
        names.pop()

    with contextlib.ExitStack() as hooks:
        for name, module in model.named_modules():
            hooks.callback(module.register_forward_pre_hook(enter(name)).remove)
            hooks.callback(module.register_forward_hook(leave, always_call=True).remove)
        yield names


def _reserved(folder, name):
    """A new, empty file of that name, or of one that is like it; safe with several processes."""
    name = re.sub(r"[^\w.-]", "_", name)
    for path in itertools.chain([name], (f"{name}-{n}" for n in itertools.count(2))):
        with contextlib.suppress(FileExistsError):
            path = folder / f"{path}.safetensors"
            path.touch(exist_ok=False)
            return path


def _nothing(name, seen):
    """Why there are no files."""
    if seen:
        return f"none of {seen} calls of {name} was recorded, expected one: look at calls=, layers= and limit="
    return (
        f"{name} was not called, expected a call: a model that is compiled, has another kernel or holds the function "
        'itself does not call it; in transformers, load with attn_implementation="sdpa", in PyTorch, say '
        "torch.backends.mha.set_fastpath_enabled(False)"
    )
