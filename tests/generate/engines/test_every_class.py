"""Every causal class of transformers gives a text in a batch that it gives alone."""

import os
from pathlib import Path
from typing import Any

import pytest

from job.generate.engines.batches import split_batch
from job.generate.engines.engine import Row
from job.generate.models.find import ModelFiles
from job.generate.models.load import Model
from job.generate.models.tokenizer import FastTokenizer
from job.generate.prompts.prompt import Prompt
from job.generate.settings import Settings
from tests.generate.tiny_models import NOT_TINY, VOCABULARY, tiny_network

pytestmark = pytest.mark.model


def model_types() -> list[str]:
    os.environ.setdefault("TQDM_DISABLE", "1")
    from transformers.models.auto.modeling_auto import MODEL_FOR_CAUSAL_LM_MAPPING_NAMES

    return sorted(MODEL_FOR_CAUSAL_LM_MAPPING_NAMES)


def tokenizer() -> FastTokenizer:
    """Token number N is the word `wN`."""
    from tokenizers import Tokenizer, models, pre_tokenizers

    vocabulary = {f"w{n}": n for n in range(VOCABULARY)}
    words = Tokenizer(models.WordLevel(vocabulary, unk_token=next(iter(vocabulary))))
    words.pre_tokenizer = pre_tokenizers.Whitespace()
    return FastTokenizer(words)


def rows(lengths: tuple[int, ...], max_new_tokens: int = 8) -> list[Row]:
    """A row for each length: a prompt of so many words."""
    first = [20 + 25 * number for number in range(len(lengths))]
    return [
        Row(
            Prompt(str(start), " ".join(f"w{n}" for n in range(start, start + length))),
            tuple(range(start, start + length)),
            1,
            max_new_tokens,
        )
        for start, length in zip(first, lengths, strict=True)
    ]


def check(network: Any, batch: list[Row]) -> None:
    from job.generate.engines.transformers import generate

    model = Model(ModelFiles("tiny", "", Path()), network, tokenizer(), ())
    settings = Settings(top_k=0)
    assert generate(model, batch, settings) == [generate(model, [row], settings)[0] for row in batch]


@pytest.mark.parametrize("model_type", sorted(set(model_types()) - NOT_TINY))
def test_a_text_in_a_batch_is_the_text_alone(model_type: str) -> None:
    check(tiny_network(model_type), rows((9, 1, 6, 6)))


@pytest.mark.parametrize("longest", [9, 12, 20])
def test_a_text_that_makes_the_network_change_its_frequencies_changes_no_other(longest: int) -> None:
    short, long = ([factor] * 8 for factor in (1.0, 4.0))
    rope = {"rope_type": "longrope", "rope_theta": 10_000.0, "short_factor": short, "long_factor": long}
    network = tiny_network("phi3", rope_parameters=rope, original_max_position_embeddings=16)
    check(network, rows((longest, 3, 6, 6)))


def test_a_class_that_is_not_tried_is_not_padded() -> None:
    for model_type in NOT_TINY:
        assert len(split_batch(rows((9, 3, 6)), model_type, None)) == 3
        assert len(split_batch(rows((5, 5, 5)), model_type, None)) == 1
