"""What can be loaded, and what is refused."""

from pathlib import Path

import pytest

from job.errors import ModelError
from job.generate.models.find import find_model
from job.generate.models.load import load_model
from tests.generate.models.conftest import change_config

pytestmark = pytest.mark.model


def test_a_model_that_writes_no_text_is_refused(gpt2_copy: Path) -> None:
    change_config(gpt2_copy, architectures=["GPT2ForSequenceClassification"])
    with pytest.raises(ModelError, match="GPT2ForSequenceClassification is not a causal language model"):
        load_model(find_model(str(gpt2_copy)), "cpu")


def test_torn_weights_are_one_line(gpt2_copy: Path) -> None:
    weights = gpt2_copy / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:5000])
    with pytest.raises(ModelError, match="can't be loaded") as raised:
        load_model(find_model(str(gpt2_copy)), "cpu")
    assert "\n" not in str(raised.value)


def test_missing_weights_are_not_made_up(gpt2_copy: Path) -> None:
    change_config(gpt2_copy, n_layer=3)
    with pytest.raises(ModelError, match=r"weights are missing, for example transformer\.h\.2"):
        load_model(find_model(str(gpt2_copy)), "cpu")
