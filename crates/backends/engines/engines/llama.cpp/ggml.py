"""What engine.py calls of ggml's C interface, in the library that the package xllamacpp brings."""
import ctypes as c
import glob
import os
from importlib.util import find_spec

F32, F16, BF16 = 0, 1, 30
P, L, R = c.c_void_p, c.c_int64, c.c_float
THREADS = 512


class Init(c.Structure):
    _fields_ = [("size", c.c_size_t), ("buffer", P), ("no_alloc", c.c_bool)]


class Plan(c.Structure):
    # Longer than it was when this was written: later versions add to it.
    _fields_ = [("size", c.c_size_t), ("work", P), ("threads", c.c_int), ("pool", P), ("abort", P), ("data", P),
                ("reference", c.c_bool), ("more", L * 4)]


class Pool(c.Structure):
    _fields_ = [("cpus", c.c_bool * THREADS), ("threads", c.c_int), ("priority", c.c_int), ("poll", c.c_uint32),
                ("strict", c.c_bool), ("paused", c.c_bool)]


folder = find_spec("xllamacpp").submodule_search_locations[0]
library = c.CDLL(glob.glob(os.path.join(folder, "xllamacpp*.so"))[0])


def function(name, result, *arguments):
    found = getattr(library, "ggml_" + name)
    found.restype, found.argtypes = result, arguments
    return found


add_sinks = function("flash_attn_ext_add_sinks", None, P, P)
build_forward_expand = function("build_forward_expand", None, P, P)
cast = function("cast", P, P, P, c.c_int)
cpu_has_avx2 = function("cpu_has_avx2", c.c_int)
cpu_init = function("cpu_init", None)
flash_attn_ext = function("flash_attn_ext", P, P, P, P, P, P, R, R, R)
free = function("free", None, P)
get_data = function("get_data", P, P)
graph_compute = function("graph_compute", c.c_int, P, c.POINTER(Plan))
graph_plan = function("graph_plan", Plan, P, c.c_int, P)
init = function("init", P, Init)
new_graph = function("new_graph", P, P)
new_tensor_4d = function("new_tensor_4d", P, P, c.c_int, L, L, L, L)
threadpool_new = function("threadpool_new", P, c.POINTER(Pool))
threadpool_params_default = function("threadpool_params_default", Pool, c.c_int)
