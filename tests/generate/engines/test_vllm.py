"""vLLM's own texts, where it is installed: `make test-vllm`."""

import importlib.util
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from job.errors import ModelError
from job.generate.engines.engine import Completion, Row
from job.generate.models.find import find_model
from job.generate.prompts.prompt import Prompt
from job.generate.run import run
from job.generate.settings import Settings
from job.generate.stop_texts import StopTexts
from tests.generate.conftest import read_rows, save_llama

pytestmark = [
    pytest.mark.vllm,
    pytest.mark.skipif(importlib.util.find_spec("vllm") is None, reason="vllm is not installed"),
    pytest.mark.filterwarnings("ignore"),  # vLLM's
]

PROMPTS = [
    "Hello",
    "The quick brown fox",
    "Once upon a time",
    "lazy",
    "dog",
    "a model",
    "0123",
    "jumps over the",
]

Generate = Callable[[Sequence[Row], Settings], dict[Row, Completion]]


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A Llama whose heads are as large as vLLM's kernels for CPUs want them."""
    return save_llama(tmp_path_factory.mktemp("models") / "llama", 128)


@pytest.fixture(scope="module")
def settings(model: Path) -> Settings:
    return Settings(model=str(model), engine="vllm", max_new_tokens=24)


@pytest.fixture(scope="module")
def engine(settings: Settings) -> Any:
    from job.generate.engines.vllm import VllmEngine

    os.environ["VLLM_CPU_KVCACHE_SPACE"] = "1"
    return VllmEngine(find_model(settings.model), settings)


@pytest.fixture(scope="module")
def rows(engine: Any) -> list[Row]:
    tokenizer = engine.tokenizer
    return [
        Row(Prompt("", text), tokenizer.encode(text), 1, 24, number) for number, text in enumerate(PROMPTS)
    ]


@pytest.fixture(scope="module")
def load(engine: Any) -> Iterator[Any]:
    """The engine's LLMEngine, loaded once for this file."""
    import vllm

    made: list[Any] = []
    from_engine_args = vllm.LLMEngine.from_engine_args

    def remember(*arguments: Any) -> Any:
        made.append(from_engine_args(*arguments))
        return made[0]

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(vllm.LLMEngine, "from_engine_args", remember)
        engine.load(60)
    yield made[0]
    made.clear()


@pytest.fixture
def generate(load: Any) -> Generate:
    from job.generate.engines import vllm

    return lambda rows, settings: dict(vllm.generate(load, rows, settings, [0], 3))


@pytest.mark.parametrize(
    ("changed", "stops"),
    [
        ({}, ()),
        ({}, ("a", "e")),
        ({"repetition_penalty": 1.3}, ()),
        ({"frequency_penalty": 0.5, "presence_penalty": 1.0}, ()),
        ({"greedy": False, "min_p": 1.0}, ()),  # which leaves the likeliest token
    ],
)
def test_greedy_texts_are_those_of_transformers(
    generate: Generate, rows: list[Row], settings: Settings, changed: dict[str, Any], stops: tuple[str, ...]
) -> None:
    from job.generate.engines.transformers import TransformersEngine

    settings = replace(settings, **{"greedy": True, **changed})
    if stops:
        tokenizer = TransformersEngine(find_model(settings.model), replace(settings, device="cpu")).tokenizer
        rows = [replace(row, stops=StopTexts(stops, tokenizer)) for row in rows]
    completions = generate(rows, settings)
    other = TransformersEngine(find_model(settings.model), replace(settings, device="cpu"))
    expected = dict(other.load(60)(rows))
    pairs = [
        pair
        for row in rows
        for pair in zip(completions[row].token_ids, expected[row].token_ids, strict=False)
    ]
    assert completions.keys() == expected.keys()
    assert sum(ours == theirs for ours, theirs in pairs) / len(pairs) > 0.9


def test_a_sampled_text_is_its_own_in_any_order(
    generate: Generate, rows: list[Row], settings: Settings
) -> None:
    completions = generate(rows, settings)
    assert len({completion.token_ids for completion in completions.values()}) == len(rows)
    assert generate(rows[::-1], settings) == completions
    assert generate(rows[:1], settings) == {rows[0]: completions[rows[0]]}
    assert generate(rows[:1], replace(settings, seed=7)) != {rows[0]: completions[rows[0]]}


def test_a_row_has_settings_of_its_own(generate: Generate, rows: list[Row], settings: Settings) -> None:
    greedy = replace(settings, greedy=True)
    own = replace(rows[0], settings=greedy)
    assert generate([own, *rows[1:]], settings)[own] == generate(rows[:1], greedy)[rows[0]]


def test_a_text_ends_with_the_token_that_ends_it(
    load: Any, generate: Generate, rows: list[Row], settings: Settings
) -> None:
    from job.generate.engines import vllm

    whole = generate(rows[:1], settings)[rows[0]]
    third = whole.token_ids[2]
    ((_, completion),) = vllm.generate(load, rows[:1], settings, [third], 3)
    assert whole.finish_reason == "length"
    assert completion == Completion(whole.token_ids[: whole.token_ids.index(third) + 1], "stop")


def test_what_a_row_asks_for_is_done(generate: Generate, rows: list[Row], settings: Settings) -> None:
    whole = generate(rows[:1], settings)[rows[0]]
    first = whole.token_ids[0]
    asked = replace(rows[0], bad_words=((first,),), logprobs=2)
    completion = generate([asked], settings)[asked]
    assert first not in completion.token_ids
    assert completion.logprobs is not None
    for token, (drawn, *likely) in zip(completion.token_ids, completion.logprobs, strict=True):
        assert drawn[0] == token
        assert len(likely) == 2
        assert likely[0][1] >= likely[1][1] >= min(drawn[1], likely[1][1])


def test_a_text_does_not_end_before_its_fewest_tokens(
    load: Any, generate: Generate, rows: list[Row], settings: Settings
) -> None:
    from job.generate.engines import vllm

    third = generate(rows[:1], settings)[rows[0]].token_ids[2]
    fewest, ignoring = replace(rows[0], min_new_tokens=10), replace(rows[0], ignore_eos=True)
    for row in (fewest, ignoring):
        ((_, completion),) = vllm.generate(load, [row], settings, [third], 3)
        assert len(completion.token_ids) > 10


def test_rows_that_run_are_aborted_when_nobody_wants_them(
    load: Any, generate: Generate, rows: list[Row], settings: Settings
) -> None:
    from job.generate.engines import vllm

    completions = generate(rows, settings)
    generated = vllm.generate(load, iter(rows), settings, [0], 3)
    next(generated)
    generated.close()
    assert not load.has_unfinished_requests()
    assert generate(rows, settings) == completions


def remove_a_tensor(folder: Path) -> None:
    from safetensors.numpy import load_file, save_file

    tensors = load_file(folder / "model.safetensors")
    del tensors["model.norm.weight"]
    save_file(tensors, folder / "model.safetensors", {"format": "pt"})


def edit_config(folder: Path, **values: object) -> None:
    file = folder / "config.json"
    file.write_text(json.dumps(json.loads(file.read_text()) | values))


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (lambda folder: os.truncate(folder / "model.safetensors", 5000), "incomplete metadata"),
        (remove_a_tensor, "model.norm.weight"),
        (lambda folder: edit_config(folder, intermediate_size=96), "."),
        (lambda folder: edit_config(folder, architectures=["NoSuchModel"]), "NoSuchModel is not a causal"),
    ],
    ids=["cut off", "a tensor missing", "of another size", "of no known class"],
)
def test_a_model_that_is_broken_is_one_line(
    model: Path, settings: Settings, tmp_path: Path, spoil: Callable[[Path], None], message: str
) -> None:
    broken = tmp_path / "broken"
    shutil.copytree(model, broken)
    spoil(broken)
    with pytest.raises(ModelError, match=r"^model '.*broken': ") as raised:
        run(replace(settings, model=str(broken)), tmp_path / "outputs")
    assert message in str(raised.value)
    assert "\n" not in str(raised.value)


def test_more_gpus_than_attention_heads_is_one_line(settings: Settings, tmp_path: Path) -> None:
    with pytest.raises(ModelError, match=r"can't be loaded: Total number of attention heads") as raised:
        run(replace(settings, tensor_parallel_size=64), tmp_path / "outputs")
    assert "\n" not in str(raised.value)


def test_a_quantization_that_vllm_does_not_have_is_one_line(settings: Settings, tmp_path: Path) -> None:
    with pytest.raises(ModelError, match=r"can't be loaded: .*no-such") as raised:
        run(replace(settings, quantization="no-such"), tmp_path / "outputs")
    assert "\n" not in str(raised.value)


def test_a_run_that_was_killed_goes_on_with_the_rest(model: Path, tmp_path: Path) -> None:
    folder, lines = tmp_path / "outputs", tmp_path / "outputs/outputs.jsonl"
    flags = ["--max-new-tokens=100", "--num-return-sequences=400", "--batch-size=2", f"--output={folder}"]
    words = [sys.executable, "-m", "job", "generate", "--engine=vllm", f"--model={model}", *flags]
    environ = {**os.environ, "VLLM_CPU_KVCACHE_SPACE": "1"}
    with subprocess.Popen(words, env=environ, stderr=subprocess.PIPE, text=True) as process:
        deadline = time.monotonic() + 540
        while process.poll() is None and time.monotonic() < deadline:
            if lines.is_file() and lines.read_bytes().count(b"\n") >= 3:
                break
            time.sleep(0.05)
        process.send_signal(signal.SIGKILL)
        assert process.stderr is not None
        assert process.wait() == -signal.SIGKILL, process.stderr.read()
    killed = lines.read_bytes()
    done = killed[: killed.rindex(b"\n") + 1]
    assert 3 <= done.count(b"\n") < 400
    ran = subprocess.run(words, env=environ, stderr=subprocess.PIPE, text=True, check=False)
    assert (ran.returncode, "texts are done already" in ran.stderr) == (0, True), ran.stderr
    assert lines.read_bytes().startswith(done)
    rows = read_rows(folder)
    assert [row["sequence"] for row in rows] == list(range(1, 401))
    assert json.loads((folder / "run.json").read_text())["state"] == "completed"
