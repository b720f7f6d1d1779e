"""A GGUF file as transformers would have it in a folder: config, weights and tokenizer."""

import os
from collections import deque
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from job.errors import ModelError
from job.generate.models.gguf.config import ROPE_TENSORS, build_config
from job.generate.models.gguf.families import FAMILIES, Family, Place, Sizes
from job.generate.models.gguf.file import Array, GgufFile, Tensor, read_file
from job.generate.models.gguf.keys import Keys
from job.generate.models.gguf.tokenizer import Vocabulary, read_vocabulary
from job.text import listed

# Who made the file, of what and how; samplers' settings, too, of which textgen has its own.
_WITHOUT_EFFECT = ("general.", "split.", "quantize.", "mradermacher.")


_MOST_THREADS = 4  # each holds a weight in float32


@dataclass(frozen=True, slots=True)
class Weight:
    """A weight of the network, in the file."""

    tensor: Tensor
    place: Place
    sizes: Sizes

    def load(self) -> Array:
        """The weight in float32. Raises ModelError if the tensor's type can't be read."""
        array = self.tensor.dequantize()
        return self.place.change(array, self.sizes) if self.place.change else array


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """A model: its config as transformers has it, and where its weights and tokens are."""

    config: dict[str, Any]
    weights: dict[str, Weight]  # by transformers' names
    zeros: dict[str, tuple[int, ...]]  # biases that the network has and the file leaves out
    vocabulary: Vocabulary

    def load_weights(self) -> Iterator[tuple[str, Array]]:
        """Each weight's name and its values in float32; no more than a few are held at a time."""
        threads = min(os.cpu_count() or 1, _MOST_THREADS)
        with ThreadPoolExecutor(threads) as pool:
            loading: deque[tuple[str, Future[Array]]] = deque()
            for name, weight in self.weights.items():
                loading.append((name, pool.submit(weight.load)))
                if len(loading) > threads:
                    yield _wait(*loading.popleft())
            yield from (_wait(*each) for each in loading)
        for name, shape in self.zeros.items():
            yield name, np.zeros(shape, np.float32)


def _wait(name: str, loading: Future[Array]) -> tuple[str, Array]:
    return name, loading.result()


def open_checkpoint(path: Path) -> Checkpoint:
    """The model in the GGUF file, or in its parts. Weights are read when they are loaded.

    Raises ModelError: no such architecture, a tensor is missing or has the wrong shape, or there is a
    key or a tensor that would not be used.
    """
    file = read_file(path)
    try:
        return _build(file)
    except ModelError as error:
        raise ModelError(f"{path}: {error}") from None


def _build(file: GgufFile) -> Checkpoint:
    keys = Keys(file.keys)
    architecture = keys.require("general.architecture", str)
    keys.expect("general.type", "model")
    if architecture not in FAMILIES:
        raise ModelError(f"the architecture {architecture} is not read; those are {listed(FAMILIES, 99)}")
    family = FAMILIES[architecture]
    config, sizes = build_config(keys.below(architecture), file.tensors, family)
    weights, zeros = _place_tensors(file.tensors, family, config, sizes)
    vocabulary = read_vocabulary(keys, architecture)
    if len(vocabulary.tokens) > sizes["vocab"]:
        raise ModelError(f"it has {len(vocabulary.tokens)} tokens, and token_embd.weight {sizes['vocab']}")
    keys.ignore(*_WITHOUT_EFFECT)
    if keys.unread:
        raise ModelError(f"the key {min(keys.unread)} is not read")
    stop_ids = list(vocabulary.stop_ids) or None
    # Without a padding token: the library's own default may be outside of the vocabulary.
    config |= {"bos_token_id": vocabulary.bos_id, "eos_token_id": stop_ids, "pad_token_id": None}
    return Checkpoint(config, weights, zeros, vocabulary)


def _place_tensors(
    tensors: dict[str, Tensor], family: Family, config: dict[str, Any], sizes: Sizes
) -> tuple[dict[str, Weight], dict[str, tuple[int, ...]]]:
    """The weights, and the biases that are zero because no layer has them."""
    kinds = {name.split(".", 2)[2] for name in tensors if name.count(".") > 2}
    optional = {name for group in family.biases.values() for name in group}
    absent = optional - kinds
    zero = {name for group, names in family.biases.items() if config[group] for name in names} & absent
    weights, zeros = {}, {}
    outside = {
        name: place for name, place in family.outside.items() if name != "output.weight" or name in tensors
    }
    for name, place in outside.items():
        weights[place.name] = _place(tensors, name, place, sizes)
    for layer in range(sizes["layers"]):
        for kind, place in family.layer.items():
            name = f"{family.layers}.{layer}.{place.name}"
            if kind in zero:
                zeros[name] = tuple(sizes[size] for size in place.shape)
            elif kind not in absent:
                weights[name] = _place(tensors, f"blk.{layer}.{kind}", place, sizes)
    used = {weight.tensor.name for weight in weights.values()}
    used.update(ROPE_TENSORS.get(family.model_type, ()))
    if unused := sorted(tensors.keys() - used):
        raise ModelError(f"the tensor {unused[0]} has no place in the network")
    return weights, zeros


def _place(tensors: dict[str, Tensor], name: str, place: Place, sizes: Sizes) -> Weight:
    if name not in tensors:
        raise ModelError(f"the tensor {name} is missing")
    shape = tuple(sizes[size] for size in place.shape)
    if tensors[name].shape != shape:
        raise ModelError(f"the tensor {name} is {list(tensors[name].shape)}, and must be {list(shape)}")
    return Weight(tensors[name], place, sizes)
