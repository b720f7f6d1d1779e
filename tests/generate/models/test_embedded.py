"""The embedded model: its tokenizer and what it says."""

from pathlib import Path

import pytest

from job.generate.engines.decoding import decode_new_tokens
from job.generate.models.find import find_model
from job.generate.models.load import Model, load_model

pytestmark = pytest.mark.model


@pytest.fixture(scope="module")
def smollm2() -> Model:
    return load_model(find_model("smollm2-135m"), "cpu")


@pytest.mark.parametrize(
    "text", ["Hello, I'm a language model,", "In  2024, 12.5 naïve\n\n\tcafés 世界 🙂", " <b>"]
)
def test_the_embedded_tokenizer_brings_any_text_back(smollm2: Model, text: str) -> None:
    assert smollm2.tokenizer.decode(smollm2.tokenizer.encode(text)) == text


def test_the_embedded_tokenizer_takes_each_digit_alone(smollm2: Model) -> None:
    tokens = [smollm2.tokenizer.token(token) for token in smollm2.tokenizer.encode("x   42")]
    assert tokens == ["x", "ĠĠĠ", "4", "2"]


def test_the_embedded_model_knows_what_it_is_told(smollm2: Model, tmp_path: Path) -> None:
    from job.generate.engines.engine import Row
    from job.generate.engines.transformers import generate
    from job.generate.prompts.prompt import Prompt
    from job.generate.settings import Settings

    prompt = Prompt("prompt", "The capital of France is")
    row = Row(prompt, smollm2.tokenizer.encode(prompt.text), 1, 2)
    (completion,) = generate(smollm2, [row], Settings(greedy=True))
    assert decode_new_tokens(smollm2.tokenizer, row.token_ids, completion.token_ids) == " Paris."
