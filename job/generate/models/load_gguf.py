"""A GGUF file in transformers' network."""

from pathlib import Path
from typing import Any

import torch
from transformers import MODEL_FOR_CAUSAL_LM_MAPPING, AutoConfig

from job.errors import ModelError
from job.generate.models.gguf.checkpoint import open_checkpoint


def load_gguf(path: Path, dtype: torch.dtype) -> Any:
    """The network, on the CPU and in `dtype`. Raises ModelError."""
    checkpoint = open_checkpoint(path)
    config = AutoConfig.for_model(**checkpoint.config)
    # Each weight is in float32 only until it is in `dtype`.
    weights = {name: torch.from_numpy(array).to(dtype) for name, array in checkpoint.load_weights()}
    network_class: Any = MODEL_FOR_CAUSAL_LM_MAPPING[type(config)]
    network, info = network_class.from_pretrained(
        None, config=config, state_dict=weights, dtype=dtype, output_loading_info=True
    )
    # The library would leave the ones random, and the others out.
    if differing := sorted({*info["missing_keys"], *info["unexpected_keys"]}):
        raise ModelError(f"{path}: this version of transformers has another network: {differing[0]}")
    return network
