"""Texts that are the same to the bit in any company, by `deterministic`."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from job.errors import TextgenError, UnsupportedError
from job.generate.engines.choose import open_engine
from job.generate.engines.engine import Completion, Row
from job.generate.prompts.prompt import Prompt
from job.generate.run import run
from job.generate.settings import Settings
from tests.generate.conftest import PROMPTS, read_rows

pytestmark = pytest.mark.model


@pytest.fixture
def settings(llama: Path) -> Settings:
    return Settings(model=str(llama), engine="transformers", device="cpu", deterministic=True, top_p=0.9)


@pytest.fixture(scope="module")
def rows() -> list[Row]:
    return [
        Row(Prompt(text, text), tuple(range(1 + 31 * n, 2 + 34 * n)), 1, 8, n, logprobs=1)
        for n, text in enumerate(PROMPTS)
    ]


def generate(settings: Settings, rows: list[Row]) -> dict[Row, Completion]:
    return dict(open_engine(settings).load(64)(rows))


def test_no_bit_of_a_probability_depends_on_other_rows(settings: Settings, rows: list[Row]) -> None:
    together = generate(settings, rows)
    assert generate(settings, rows[::-1]) == together
    assert generate(settings, rows[2:3]) == {rows[2]: together[rows[2]]}
    in_batches = replace(settings, deterministic=False)
    assert generate(in_batches, rows) != {row: generate(in_batches, [row])[row] for row in rows}


def test_it_runs_one_text_at_a_time_and_is_part_of_the_identity(settings: Settings) -> None:
    engine = open_engine(settings)
    assert engine.slots == 1
    assert engine.first_row(5) == 5
    assert engine.identity()["deterministic"] is True
    assert "deterministic" not in open_engine(replace(settings, deterministic=False)).identity()


def test_openvino_and_echo_are_so_by_themselves(settings: Settings, tmp_path: Path) -> None:
    for engine in ("openvino", "echo"):
        run(replace(settings, engine=engine), tmp_path / engine)
        before = read_rows(tmp_path / engine)
        run(replace(settings, engine=engine, deterministic=False), tmp_path / engine)
        assert read_rows(tmp_path / engine) == before


def test_several_texts_at_once_are_refused(settings: Settings) -> None:
    with pytest.raises(UnsupportedError, match=r"^deterministic: .* and batch_size is 4; leave one"):
        open_engine(replace(settings, batch_size=4))


def test_mps_is_refused(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("torch.mps.is_available", lambda: True)
    with pytest.raises(UnsupportedError, match=r"^deterministic: PyTorch has no such algorithms for mps"):
        open_engine(replace(settings, device="mps"))


def test_an_operation_without_a_deterministic_way_is_one_line(
    settings: Settings, rows: list[Row], monkeypatch: pytest.MonkeyPatch
) -> None:
    import torch
    from transformers import LlamaForCausalLM

    forward = LlamaForCausalLM.forward

    def put(*values: Any, **options: Any) -> Any:
        torch.zeros(2).put_(torch.tensor([0]), torch.tensor([1.0]))
        return forward(*values, **options)

    monkeypatch.setattr(LlamaForCausalLM, "forward", put)
    generate(replace(settings, deterministic=False), rows)
    with pytest.raises(TextgenError, match=r"^deterministic: model '.*' can't have it on cpu: put_ "):
        generate(settings, rows)
    assert not torch.are_deterministic_algorithms_enabled()
