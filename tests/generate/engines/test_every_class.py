"""Every causal class of transformers gives a text in a batch that it gives alone."""

import os
from pathlib import Path
from typing import Any

import pytest

from job.generate.engines.batches import split_batch
from job.generate.engines.rows import Row
from job.generate.models.find import ModelFiles
from job.generate.models.load import Model
from job.generate.prompts import Prompt
from job.generate.settings import Settings
from tests.generate.tiny_models import NOT_TINY, VOCABULARY, tiny_network

pytestmark = pytest.mark.model


def model_types() -> list[str]:
    os.environ.setdefault("TQDM_DISABLE", "1")
    from transformers.models.auto.modeling_auto import MODEL_FOR_CAUSAL_LM_MAPPING_NAMES

    return sorted(MODEL_FOR_CAUSAL_LM_MAPPING_NAMES)


def tokenizer() -> Any:
    """Token number N is the word `wN`."""
    from tokenizers import Tokenizer, models, pre_tokenizers
    from transformers import PreTrainedTokenizerFast

    vocabulary = {f"w{n}": n for n in range(VOCABULARY)}
    words = Tokenizer(models.WordLevel(vocabulary, unk_token=next(iter(vocabulary))))
    words.pre_tokenizer = pre_tokenizers.Whitespace()
    return PreTrainedTokenizerFast(tokenizer_object=words)


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


@pytest.mark.parametrize("model_type", sorted(set(model_types()) - NOT_TINY))
def test_a_text_in_a_batch_is_the_text_alone(model_type: str, tmp_path: Path) -> None:
    from job.generate.engines.transformers import generate

    network = tiny_network(model_type)
    model = Model(ModelFiles(model_type, "", tmp_path), network, tokenizer(), (), 64)
    settings, batch = Settings(top_k=0), rows((9, 3, 6, 6))
    assert generate(model, batch, settings) == [generate(model, [row], settings)[0] for row in batch]


def test_a_class_that_is_not_tried_is_not_padded() -> None:
    for model_type in NOT_TINY:
        assert len(split_batch(rows((9, 3, 6)), model_type, None)) == 3
        assert len(split_batch(rows((5, 5, 5)), model_type, None)) == 1
