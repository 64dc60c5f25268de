"""attn-engine/1 for engines in Python: serve(Engine) answers until the stream ends. Needs numpy.

An Engine has `library` and `isa`, and the methods prepare(p), load(t), run() and store(t): p is the problem as the request states it,
t has the tensors as numpy arrays over the shared file (bf16 as uint16), those to be written among them.
"""
import gc
import json
import mmap
import os
import sys
import time
from types import SimpleNamespace

import numpy as np

DTYPES = {"f64": np.float64, "f32": np.float32, "f16": np.float16, "bf16": np.uint16, "bool": np.bool_}


def isa():
    """The widest vector instructions of this processor: what an engine that chooses at run time may use."""
    try:
        flags = next(line for line in open("/proc/cpuinfo") if line.startswith("flags")).split()
    except (OSError, StopIteration):
        return "unknown"
    names = {"amx_tile": "AMX", "avx512_bf16": "AVX-512 BF16", "avx512f": "AVX-512", "avx2": "AVX2"}
    return next((name for flag, name in names.items() if flag in flags), "baseline") + " (run time)"


def tensors(prepare):
    with open(prepare.file, "r+b") as file:
        shared = mmap.mmap(file.fileno(), 0)
    found = {}
    for name, place in prepare.tensors.items():
        count = int(np.prod(place["dims"], dtype=np.int64))
        flat = np.frombuffer(shared, DTYPES[place["dtype"]], count, place["at"])
        found[name] = flat.reshape(place["dims"])
    missing = {name: None for name in ("bias", "sinks", "lse") if name not in found}
    return SimpleNamespace(**found, **missing)


def serve(make):
    # What a library prints is no answer.
    answers = os.fdopen(os.dup(1), "wb", buffering=0)
    os.dup2(2, 1)
    # As every process has that lives for a while: glibc keeps freed memory of up to this size from now on.
    bytearray((32 << 20) - (64 << 10))
    engine, shared = None, None
    for line in sys.stdin.buffer:
        ask = json.loads(line)
        done = 0
        try:
            if isinstance(ask, dict) and "run" in ask:
                calls, run = range(ask["run"]), engine.run
                start = time.perf_counter_ns()
                for _ in calls:
                    run()
                done = time.perf_counter_ns() - start
            elif ask == "load":
                engine.load(shared)
            elif ask == "store":
                engine.store(shared)
            elif "hello" in ask:
                engine = make(ask["hello"]["threads"])
                hello = {"protocol": "attn-engine/1", "library": engine.library, "isa": engine.isa}
                answers.write(json.dumps({"hello": hello}).encode() + b"\n")
                continue
            elif "prepare" in ask:
                prepare = SimpleNamespace(**ask["prepare"])
                shared = tensors(prepare)
                engine.prepare(prepare, shared)
                # Nothing that is there now is garbage later, and no sample has to look.
                gc.collect()
                gc.freeze()
                gc.disable()
            answers.write(b'{"done":%d}\n' % done)
        except Exception as error:
            why = f"{type(error).__name__}: {error}".strip()
            answers.write(json.dumps({"failed": why}).encode() + b"\n")
