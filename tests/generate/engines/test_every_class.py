"""Every causal class of transformers gives a text in a batch that it gives alone, also continuously."""

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
    from job.generate.engines.continuous_batching import generate_continuously, takes_continuous_batching
    from job.generate.engines.transformers import generate

    model = Model(ModelFiles("tiny", "", Path()), network, tokenizer(), ())
    settings = Settings(top_k=0)
    alone = [generate(model, [row], settings)[0] for row in batch]
    assert generate(model, batch, settings) == alone
    if takes_continuous_batching(network.config):
        texts = dict(generate_continuously(model, batch, settings, len(batch) - 1))
        assert [texts[row] for row in batch] == alone


@pytest.fixture(autouse=True)
def small_cache(monkeypatch: pytest.MonkeyPatch) -> None:
    """Of continuous batching, which by itself takes the memory; and it tidies up often, which is slow."""
    from job.generate.engines import continuous_batching

    monkeypatch.setattr(continuous_batching, "CACHE_OPTIONS", {"num_blocks": 60, "page_size": 16})
    monkeypatch.setattr("gc.collect", lambda: 0)


@pytest.mark.parametrize("model_type", sorted(set(model_types()) - NOT_TINY))
def test_a_text_in_a_batch_is_the_text_alone(model_type: str) -> None:
    check(tiny_network(model_type), rows((9, 1, 6, 6)))


LONG_ROPE = {
    "rope_parameters": {
        "rope_type": "longrope",
        "rope_theta": 10_000.0,
        "short_factor": [1.0] * 8,
        "long_factor": [4.0] * 8,
    },
    "original_max_position_embeddings": 16,
}


@pytest.mark.parametrize("longest", [9, 12, 20])
def test_a_text_that_makes_the_network_change_its_frequencies_changes_no_other(longest: int) -> None:
    check(tiny_network("phi3", **LONG_ROPE), rows((longest, 3, 6, 6)))


def test_a_class_that_is_not_tried_is_not_padded() -> None:
    for model_type in NOT_TINY:
        assert len(split_batch(rows((9, 3, 6)), model_type, None)) == 3
        assert len(split_batch(rows((5, 5, 5)), model_type, None)) == 1


@pytest.mark.parametrize(
    ("model_type", "changed", "is_taken"),
    [
        ("llama", {}, True),
        ("phi3", {}, True),
        ("phi3", LONG_ROPE, False),
        ("deepseek_v3", {}, False),
        ("mamba", {}, False),
    ],
)
def test_continuous_batching_takes_networks_of_attention(
    model_type: str, changed: dict[str, Any], is_taken: bool
) -> None:
    from job.generate.engines.continuous_batching import takes_continuous_batching

    assert takes_continuous_batching(tiny_network(model_type, **changed).config) == is_taken
