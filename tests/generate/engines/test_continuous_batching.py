"""transformers' continuous batching with our draws; on a CPU, where it runs only because a test says so."""

import threading
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from job.errors import TextgenError
from job.generate import outputs
from job.generate.engines.choose import open_engine
from job.generate.engines.engine import Completion, Row
from job.generate.prompts.prompt import Prompt
from job.generate.run import run
from job.generate.settings import Settings
from job.generate.stop_texts import StopTexts
from job.generate.structure import build_grammar

pytestmark = pytest.mark.model

LENGTHS = [1 + number * 7 % 40 for number in range(64)]


def force(monkeypatch: pytest.MonkeyPatch, **cache: int) -> None:
    """Run what takes it by continuous batching, in a cache that is small: by itself it takes the memory."""
    from job.generate.engines import continuous_batching, transformers

    monkeypatch.setattr(transformers, "_CONTINUOUS_DEVICES", ("cpu",))
    monkeypatch.setattr(continuous_batching, "CACHE_OPTIONS", {"num_blocks": 100, "page_size": 16} | cache)


@pytest.fixture
def settings(llama: Path) -> Settings:
    return Settings(model=str(llama), engine="transformers", device="cpu", top_k=20)


@pytest.fixture(scope="module")
def rows() -> list[Row]:
    """Prompts of 1 to 40 tokens, each with 3 to 20 new ones."""
    return [
        Row(
            Prompt(f"{n}", f"prompt {n}"),
            tuple(1 + (n * 31 + k * 17) % 299 for k in range(length)),
            1,
            3 + n % 18,
            n,
        )
        for n, length in enumerate(LENGTHS)
    ]


def generate(settings: Settings, rows: list[Row]) -> dict[Row, Completion]:
    return dict(open_engine(settings).load(64)(rows))


def with_settings(settings: Settings, rows: list[Row], *own: dict[str, Any]) -> list[Row]:
    """The rows, each with settings of its own, in turn."""
    return [replace(row, settings=replace(settings, **own[row.number % len(own)])) for row in rows]


@pytest.mark.parametrize(
    "changed",
    [
        {},
        {"greedy": True},
        {"top_p": 0.7, "temperature": 0.8},
        {"min_p": 0.1, "seed": 7},
        {"batch_size": 3},
        {"repetition_penalty": 1.3},
        {"frequency_penalty": 1.0, "presence_penalty": -0.5, "greedy": True},
    ],
)
def test_texts_are_those_of_batches(
    settings: Settings, rows: list[Row], changed: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = replace(settings, **changed)
    expected = generate(settings, rows)
    assert "batch_size" in open_engine(settings).identity()
    force(monkeypatch)
    assert "batch_size" not in open_engine(settings).identity()
    assert generate(settings, rows) == expected


def test_rows_have_their_own_settings(
    settings: Settings, rows: list[Row], monkeypatch: pytest.MonkeyPatch
) -> None:
    own: list[dict[str, Any]] = [
        {"temperature": 0.5},
        {"greedy": True},
        {"repetition_penalty": 1.3},
        {"seed": 3},
        {"top_k": 0},
    ]
    rows = with_settings(settings, rows, *own)
    expected = generate(settings, rows)
    force(monkeypatch)
    assert generate(settings, rows) == expected


def test_rows_may_ban_tokens_and_want_their_probabilities(
    settings: Settings, rows: list[Row], monkeypatch: pytest.MonkeyPatch
) -> None:
    def change(row: Row) -> Row:
        kinds = ({"logprobs": 2}, {"min_new_tokens": 3}, {"ignore_eos": True}, {"bad_words": ((5,), (7, 8))})
        return replace(row, **kinds[row.number % 4])

    settings = replace(settings, temperature=3.0)
    rows = [change(row) for row in rows]
    expected = generate(settings, rows)
    assert any(0 in completion.token_ids[:-1] for completion in expected.values())
    force(monkeypatch)
    completions = generate(settings, rows)
    assert {row: completion.token_ids for row, completion in completions.items()} == {
        row: completion.token_ids for row, completion in expected.items()
    }
    for row in rows[::4]:
        expected_logprobs, logprobs = expected[row].logprobs, completions[row].logprobs
        assert expected_logprobs and logprobs
        for likely, other in zip(expected_logprobs, logprobs, strict=True):
            assert dict(likely) == pytest.approx(dict(other), abs=1e-3)


def test_rows_keep_to_their_structure(
    settings: Settings, rows: list[Row], monkeypatch: pytest.MonkeyPatch
) -> None:
    from job.generate.matcher import Matcher

    matcher = Matcher(build_grammar("", "[a-e]{2,8}|The dog", ()), open_engine(settings).tokenizer)
    rows = [replace(row, matcher=matcher.copy()) if row.number % 2 else row for row in rows]
    expected = generate(settings, rows)
    assert any(row.matcher and completion.finish_reason == "stop" for row, completion in expected.items())
    force(monkeypatch)
    assert generate(settings, rows) == expected


def test_texts_end_by_the_model_a_stop_text_or_the_limit(
    settings: Settings, rows: list[Row], monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = replace(settings, temperature=3.0)
    stops = StopTexts(("a", "e"), open_engine(settings).tokenizer)
    rows = [replace(row, stops=stops) if row.number % 2 else row for row in rows]
    expected = generate(settings, rows)
    ends = {
        (row.stops is not None, completion.finish_reason, completion.token_ids[-1] == 0)
        for row, completion in expected.items()
    }
    assert {(False, "stop", True), (True, "stop", False), (False, "length", False)} <= ends
    force(monkeypatch)
    assert generate(settings, rows) == expected


def test_a_row_whose_blocks_are_taken_away_goes_on_with_its_draws(
    settings: Settings, rows: list[Row], monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = replace(settings, frequency_penalty=0.5)
    rows = with_settings(settings, rows, {}, {"frequency_penalty": 0.0})
    expected = generate(settings, rows)
    from transformers.generation.continuous_batching.requests import RequestState

    restarts, restart = [], RequestState.create_equivalent_initial_request

    def note(state: Any) -> Any:
        restarts.append(len(state.generated_tokens))
        return restart(state)

    monkeypatch.setattr(RequestState, "create_equivalent_initial_request", note)
    force(monkeypatch, num_blocks=8)
    assert generate(settings, rows) == expected
    assert max(restarts) > 0


def fail_above(slots: int, monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Let steps of more slots lack memory; how many each step had."""
    from job.generate.engines import continuous_batching

    seen, call = [], continuous_batching._Draw.__call__

    def fail(self: Any, scores: Any, tensor_arg: Any) -> Any:
        seen.append(len(self._uniforms))
        if len(self._uniforms) > slots and len(seen) > 3:
            raise MemoryError
        return call(self, scores, tensor_arg)

    monkeypatch.setattr(continuous_batching._Draw, "__call__", fail)
    return seen


def test_too_little_memory_runs_half_as_many_rows_at_once(
    settings: Settings, rows: list[Row], monkeypatch: pytest.MonkeyPatch
) -> None:
    expected = generate(settings, rows)
    force(monkeypatch)
    slots = fail_above(4, monkeypatch)
    assert generate(replace(settings, batch_size=16), rows) == expected
    assert sorted(set(slots)) == [4, 8, 16]


def test_a_text_that_no_cache_holds_costs_itself(
    settings: Settings, rows: list[Row], monkeypatch: pytest.MonkeyPatch
) -> None:
    rows = [replace(row, ignore_eos=True) for row in rows[3:7]]
    expected = generate(settings, rows)
    force(monkeypatch, num_blocks=2)
    error = "cpu: out of memory; lower max_length or max_new_tokens"
    too_long = {row for row in rows if len(row.token_ids) + row.max_new_tokens > 33}
    assert 0 < len(too_long) < len(rows)
    assert generate(replace(settings, batch_size=2), rows) == expected | {
        row: Completion((), "", error=error) for row in too_long
    }


def test_a_device_without_memory_for_blocks_fails_and_leaves_its_rows_to_others(
    settings: Settings, rows: list[Row], monkeypatch: pytest.MonkeyPatch
) -> None:
    from job.generate.engines import continuous_batching

    force(monkeypatch)
    monkeypatch.setattr(continuous_batching, "CACHE_OPTIONS", {"max_memory_percent": 1e-9})
    with pytest.raises(TextgenError, match=r"^cpu: out of memory; lower max_length or max_new_tokens$"):
        generate(replace(settings, batch_size=2), rows[:2])


def test_a_network_that_fails_is_one_line(
    settings: Settings, rows: list[Row], monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> None:
        raise RuntimeError("no kernel\nfor this")

    force(monkeypatch)
    monkeypatch.setattr("job.generate.engines.continuous_batching._Draw.__call__", fail)
    with pytest.raises(TextgenError, match=r"its network failed: RuntimeError: no kernel$"):
        generate(settings, rows)


def test_logits_that_are_not_finite_are_one_line(
    settings: Settings, rows: list[Row], monkeypatch: pytest.MonkeyPatch
) -> None:
    from transformers import LlamaForCausalLM

    forward = LlamaForCausalLM.forward

    def spoil(*values: Any, **options: Any) -> Any:
        output = forward(*values, **options)
        output.logits.fill_(float("nan"))
        return output

    force(monkeypatch)
    monkeypatch.setattr(LlamaForCausalLM, "forward", spoil)
    with pytest.raises(TextgenError, match=r"^the model's numbers are not finite"):
        generate(settings, rows)


def test_a_generation_that_is_left_leaves_no_thread(
    settings: Settings, rows: list[Row], monkeypatch: pytest.MonkeyPatch
) -> None:
    force(monkeypatch)
    texts = open_engine(settings).load(64)(rows)
    # A thread of another test may end meanwhile.
    before = set(threading.enumerate())
    with closing(texts):
        next(texts)
        assert len(set(threading.enumerate()) - before) == 1
    assert set(threading.enumerate()) <= before


def test_a_run_that_was_stopped_goes_on_to_the_same_bytes(
    settings: Settings, prompts_file: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    force(monkeypatch)
    settings = replace(settings, prompts=prompts_file, num_return_sequences=3, max_length=40)
    run(settings, tmp_path)
    file = tmp_path / outputs.ROWS
    whole = file.read_bytes()
    file.write_bytes(b"".join(whole.splitlines(keepends=True)[:5]))
    run(settings, tmp_path)
    assert file.read_bytes() == whole


@pytest.fixture
def fast(monkeypatch: pytest.MonkeyPatch) -> list[str | None]:
    """As if there were flash attention, with CUDA graphs; the attentions with which batches begin."""
    from job.generate.engines import continuous_batching

    begin, attentions = continuous_batching._Batch.__init__, []

    def note(self: Any, model: Any, settings: Any, slots: int, attention: str | None) -> None:
        attentions.append(attention)
        begin(self, model, settings, slots, attention)

    monkeypatch.setattr(continuous_batching._Batch, "__init__", note)
    monkeypatch.setattr(continuous_batching, "_select_attention", lambda _: "eager")
    return attentions


def test_rows_that_are_not_drawn_alike_are_drawn_without_graphs(
    settings: Settings, rows: list[Row], fast: list[str | None], monkeypatch: pytest.MonkeyPatch
) -> None:
    rows = rows[:20] + with_settings(settings, rows[20:], {"temperature": 0.7})
    expected = generate(settings, rows)
    force(monkeypatch)
    assert generate(settings, rows) == expected
    assert fast == ["eager", None]


def test_what_is_fast_and_fails_goes_on_without_it(
    settings: Settings, rows: list[Row], fast: list[str | None], monkeypatch: pytest.MonkeyPatch
) -> None:
    from transformers import LlamaForCausalLM

    expected = generate(settings, rows)
    force(monkeypatch)
    forward = LlamaForCausalLM.forward

    def fail_with_eager(self: Any, *values: Any, **options: Any) -> Any:
        if "eager" in self.config._attn_implementation:
            raise RuntimeError("no kernel for this GPU")
        return forward(self, *values, **options)

    monkeypatch.setattr(LlamaForCausalLM, "forward", fail_with_eager)
    assert generate(settings, rows) == expected
    assert fast == ["eager", None]


@pytest.fixture
def mamba(tmp_path: Path) -> Path:
    from transformers import MambaConfig

    from tests.generate.conftest import save

    return save(
        tmp_path / "mamba",
        MambaConfig(hidden_size=32, num_hidden_layers=2, vocab_size=300, eos_token_id=0),
    )


def test_a_model_that_it_does_not_take_is_run_in_batches(
    settings: Settings, mamba: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    force(monkeypatch)
    assert "batch_size" in open_engine(replace(settings, model=str(mamba))).identity()
