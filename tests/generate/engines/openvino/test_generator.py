"""Whole texts: those of the transformers engine, and the same in any company."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from job.errors import TextgenError
from job.generate.engines.engine import Row
from job.generate.engines.openvino import generator
from job.generate.engines.openvino.dtypes import FLOAT32
from job.generate.engines.openvino.generator import Generator
from job.generate.engines.openvino.model_files import Model, open_model
from job.generate.engines.openvino.network import Logits
from job.generate.engines.openvino.paged_attention import BLOCK, Piece
from job.generate.engines.openvino.scheduler import PIECE
from job.generate.prompts.prompt import Prompt
from job.generate.settings import Settings
from tests.generate.engines.openvino.conftest import VOCABULARY, make_model

pytestmark = pytest.mark.model

_LENGTHS = (1, 5, 31, 32, 33, 64, 100, 600)  # the last is read in two pieces
_SETTINGS = Settings(seed=3, top_k=20)
Tokens = dict[tuple[str | int, int], tuple[int, ...]]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("models")
    make_model(folder, "llama", num_hidden_layers=3, max_position_embeddings=1024, hidden_size=64)
    return folder


@pytest.fixture(scope="module")
def rows() -> list[Row]:
    """Two texts of each of several prompts, some longer than others."""
    random = np.random.default_rng(1)
    prompts = [tuple(random.integers(1, VOCABULARY, length).tolist()) for length in _LENGTHS]
    return [
        Row(Prompt(str(len(ids)), f"prompt {len(ids)}"), ids, sequence, 20 + len(ids) % 30)
        for ids in prompts
        for sequence in (1, 2)
    ]


def open_generator(folder: Path, settings: Settings = _SETTINGS, **options: Any) -> Generator:
    arguments: dict[str, Any] = {"stop_ids": (), "threads": 2, **options}
    return Generator(open_model(folder), settings, **arguments)


def generate(folder: Path, rows: Iterable[Row], settings: Settings = _SETTINGS, **options: Any) -> Tokens:
    engine = open_generator(folder, settings, **options)
    return {(row.prompt.id, row.sequence): done.token_ids for row, done in engine.generate(rows)}


@pytest.fixture(scope="module")
def texts_by_dtype(folder: Path, rows: list[Row], dtype: str) -> Tokens:
    return generate(folder, rows, dtype=dtype)


@pytest.fixture(scope="module")
def texts(folder: Path, rows: list[Row]) -> Tokens:
    return generate(folder, rows)


def test_each_dtype_has_texts_of_its_own(texts: Tokens, texts_by_dtype: Tokens, dtype: str) -> None:
    assert (texts == texts_by_dtype) == (dtype == FLOAT32)


def test_every_row_ends_with_the_tokens_that_it_asked_for(texts: Tokens, rows: list[Row]) -> None:
    assert {key: len(tokens) for key, tokens in texts.items()} == {
        (row.prompt.id, row.sequence): row.max_new_tokens for row in rows
    }


@pytest.mark.parametrize("slots", [1, 2, 5, 16])
def test_a_text_is_the_same_with_any_number_of_slots(
    folder: Path, rows: list[Row], texts_by_dtype: Tokens, dtype: str, slots: int
) -> None:
    assert generate(folder, rows, slots=slots, dtype=dtype) == texts_by_dtype


def test_a_text_is_the_same_in_reversed_order(
    folder: Path, rows: list[Row], texts_by_dtype: Tokens, dtype: str
) -> None:
    assert generate(folder, reversed(rows), slots=3, dtype=dtype) == texts_by_dtype


def test_a_text_is_the_same_alone(folder: Path, rows: list[Row], texts_by_dtype: Tokens, dtype: str) -> None:
    engine = open_generator(folder, dtype=dtype)
    alone = {
        (row.prompt.id, row.sequence): done.token_ids for row in rows for _, done in engine.generate([row])
    }
    assert alone == texts_by_dtype


@pytest.mark.parametrize("order", [1, -1])
def test_a_text_is_the_same_if_memory_runs_out(folder: Path, rows: list[Row], order: int, dtype: str) -> None:
    rows = [replace(row, max_new_tokens=100) for row in rows[:10][::order]]
    texts = generate(folder, rows, dtype=dtype)
    engine = open_generator(folder, cache_tokens=8 * 32, dtype=dtype)
    again = {(row.prompt.id, row.sequence): done.token_ids for row, done in engine.generate(rows)}
    assert again == texts
    assert engine._scheduler.restarts > 0
    assert engine._scheduler._pool.free == engine._scheduler._pool.size


def test_a_row_that_never_fits_costs_itself(folder: Path, rows: list[Row], texts: Tokens) -> None:
    engine = open_generator(folder, cache_tokens=320)
    refused, made = engine.generate([rows[-1], rows[0]])
    assert refused[0] is rows[-1]
    assert refused[1].error.startswith("620 tokens need more memory than there is (320 tokens); lower max_l")
    assert (made[1].token_ids, made[1].error) == (texts["1", 1], "")


def test_a_cache_that_there_is_no_memory_for_is_one_line(folder: Path) -> None:
    with pytest.raises(TextgenError, match=r"no memory for a cache of 320000000000 tokens$"):
        open_generator(folder, slots=10**9, cache_tokens=320 * 10**9)


def test_a_model_that_is_larger_than_the_free_memory_is_refused_before_it_is_loaded(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = open_model(folder)
    weights = model.weights_bytes(FLOAT32)
    monkeypatch.setattr(generator, "free_memory", lambda: weights + 10)
    monkeypatch.setattr(Model, "load_tensors", None)
    with pytest.raises(
        TextgenError,
        match=r"^.*: its weights take 0\.0 GB in float32, a text of 64 tokens .* \(a larger instance-type\)",
    ):
        Generator(model, _SETTINGS, (), context_length=64)


def test_with_less_memory_fewer_texts_run_at_once(
    folder: Path, rows: list[Row], texts: Tokens, monkeypatch: pytest.MonkeyPatch
) -> None:
    weights, block = open_model(folder).weights_bytes(FLOAT32), 3 * 2 * 2 * BLOCK * 16 * 4
    monkeypatch.setattr(generator, "free_memory", lambda: weights + 2 * 9 * block)
    engine = open_generator(folder, context_length=200)
    assert engine._scheduler._pool.size == 9
    rows = [row for row in rows if len(row.token_ids) <= 100]
    made = {(row.prompt.id, row.sequence): done.token_ids for row, done in engine.generate(rows)}
    assert made == {key: texts[key] for key in made}
    assert len(made) == len(rows)


def test_if_bad_rows_are_skipped_those_that_fit_into_the_memory_are_made(
    folder: Path, rows: list[Row], texts: Tokens, monkeypatch: pytest.MonkeyPatch
) -> None:
    weights, block = open_model(folder).weights_bytes(FLOAT32), 3 * 2 * 2 * BLOCK * 16 * 4
    monkeypatch.setattr(generator, "free_memory", lambda: weights + 2 * 9 * block)
    engine = open_generator(folder, replace(_SETTINGS, on_error="skip"), context_length=1024)
    made = {(row.prompt.id, row.sequence): done.token_ids for row, done in engine.generate(rows)}
    assert made == {**texts, ("600", 1): (), ("600", 2): ()}


def test_rows_are_taken_as_slots_become_free(folder: Path, rows: list[Row]) -> None:
    taken = 0

    def arriving() -> Iterator[Row]:
        nonlocal taken
        for row in rows:
            taken += 1
            yield row

    ended = open_generator(folder, slots=2).generate(arriving())
    next(ended)
    assert taken == 2


def test_rows_can_be_run_after_others_that_were_given_up(
    folder: Path, rows: list[Row], texts: Tokens
) -> None:
    engine = open_generator(folder, slots=3)
    given_up = engine.generate(rows)
    next(given_up)
    given_up.close()
    again = {(row.prompt.id, row.sequence): done.token_ids for row, done in engine.generate(rows[8:])}
    assert again == {(row.prompt.id, row.sequence): texts[row.prompt.id, row.sequence] for row in rows[8:]}


def test_a_prompt_is_read_once_for_all_its_texts(
    folder: Path, rows: list[Row], monkeypatch: pytest.MonkeyPatch
) -> None:
    engine = open_generator(folder, slots=2)
    read: list[int] = []
    step = engine._network.step

    def counted_step(pieces: Sequence[Piece]) -> Logits:
        read.extend(len(piece.token_ids) for piece in pieces)
        return step(pieces)

    monkeypatch.setattr(engine._network, "step", counted_step)
    many = [replace(rows[-1], sequence=sequence, max_new_tokens=3) for sequence in range(1, 8)]
    assert len(list(engine.generate(many))) == 7
    assert [length for length in read if length > 1] == [PIECE, 600 - PIECE]


def test_a_stop_token_ends_a_text(folder: Path, rows: list[Row], texts: Tokens) -> None:
    stop = texts["5", 1][4]
    expected = texts["5", 1][: texts["5", 1].index(stop) + 1]
    engine = open_generator(folder, stop_ids=[stop])
    ((_, done),) = engine.generate([row for row in rows if row.prompt.id == "5" and row.sequence == 1])
    assert (done.token_ids, done.finish_reason) == (expected, "stop")


@pytest.mark.parametrize(
    "changed",
    [
        {},
        {"greedy": True},
        {"top_k": 0, "temperature": 0.7},
        {"top_p": 0.8},
        {"repetition_penalty": 1.4},
        {"repetition_penalty": 1.4, "greedy": True},
    ],
    ids=str,
)
def test_tokens_are_those_of_the_transformers_engine(
    folder: Path, rows: list[Row], changed: dict[str, Any]
) -> None:
    settings, rows = replace(_SETTINGS, **changed), rows[:12]
    expected = {(row.prompt.id, row.sequence): _of_transformers(folder, row, settings) for row in rows[::2]}
    assert generate(folder, rows[::2], settings) == expected


@pytest.fixture(scope="module")
def phi3(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model that has other frequencies of positions for texts of more than 40 tokens."""
    folder = tmp_path_factory.mktemp("models")
    factors = {"short_factor": [1.1, 1.2, 1.3, 1.5], "long_factor": [2.0, 3.0, 4.0, 5.0]}
    rope = {"rope_type": "longrope", "rope_theta": 100.0, **factors}
    make_model(folder, "phi3", rope_parameters=rope, original_max_position_embeddings=40)
    return folder


@pytest.mark.parametrize("options", [{}, {"slots": 1}, {"slots": 3}, {"cache_tokens": 6 * BLOCK}], ids=str)
def test_a_text_that_outgrows_its_positions_is_read_again_with_others(
    phi3: Path, rows: list[Row], options: dict[str, Any]
) -> None:
    rows = [row for row in rows if len(row.token_ids) <= 64]
    expected = {(row.prompt.id, row.sequence): _of_transformers(phi3, row, _SETTINGS) for row in rows}
    assert generate(phi3, rows, stop_ids=[0], **options) == expected
    assert generate(phi3, rows[::-1], stop_ids=[0], **options) == expected


def _of_transformers(folder: Path, row: Row, settings: Settings) -> tuple[int, ...]:
    import torch
    from transformers import AutoModelForCausalLM, GenerationConfig

    from job.generate.engines.logits_processors import build_logits_processors

    network: Any = AutoModelForCausalLM.from_pretrained(folder).eval()
    ids = torch.tensor([row.token_ids])
    output = network.generate(
        ids,
        attention_mask=torch.ones_like(ids),
        generation_config=GenerationConfig(
            do_sample=False, max_new_tokens=row.max_new_tokens, pad_token_id=0, eos_token_id=None
        ),
        logits_processor=build_logits_processors([row], [0], settings, torch.device("cpu")),
    )
    return tuple(output[0, len(row.token_ids) :].tolist())
