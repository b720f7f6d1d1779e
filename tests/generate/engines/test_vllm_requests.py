"""What vLLM is asked for, without it."""

import sys
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest

from job.errors import ModelError, SettingsError, TextgenError, UnsupportedError
from job.generate.engines import choose
from job.generate.engines.choose import open_engine
from job.generate.engines.engine import Completion, Row
from job.generate.models.find import ModelFiles
from job.generate.prompts.prompt import Prompt
from job.generate.settings import Settings
from job.generate.stop_texts import StopTexts

pytestmark = pytest.mark.model

ROWS = [Row(Prompt("", text), (1, 2), 1, 4 - place, place) for place, text in enumerate("abc")]


@dataclass
class FakeLLMEngine:
    """It gives each request its number of tokens, one a step."""

    finish_reason: str = "length"
    logprobs: list[dict[int, Any]] = field(default_factory=list)
    most: int = 0
    params: dict[str, Any] = field(default_factory=dict)
    running: dict[str, int] = field(default_factory=dict)

    def add_request(self, request_id: str, prompt: list[int], params: Any) -> None:
        self.params[request_id] = params
        self.running[request_id] = params.max_tokens
        self.most = max(self.most, len(self.running))

    def abort_request(self, request_ids: Iterable[str]) -> None:
        for request_id in request_ids:
            del self.running[request_id]

    def step(self) -> list[Any]:
        self.running = {name: left - 1 for name, left in self.running.items()}
        outputs = [
            SimpleNamespace(
                request_id=name,
                finished=not left,
                outputs=[
                    SimpleNamespace(
                        token_ids=[7] * (self.params[name].max_tokens - left),
                        finish_reason=self.finish_reason,
                        logprobs=self.logprobs * (self.params[name].max_tokens - left),
                    )
                ],
            )
            for name, left in self.running.items()
        ]
        self.running = {name: left for name, left in self.running.items() if left}
        return outputs


class Numerals:
    """A tokenizer whose tokens are their numbers."""

    def decode(self, token_ids: Iterable[int]) -> str:
        return "".join(map(str, token_ids))

    def token_id(self, token: str) -> None:
        return None


@pytest.fixture
def platform(monkeypatch: pytest.MonkeyPatch) -> SimpleNamespace:
    """The device of a vLLM that is not there."""
    platform = SimpleNamespace(
        device_type="cuda", is_cuda=lambda: True, has_device_capability=lambda capability: capability <= 80
    )
    for name in ("vllm", "vllm.inputs", "vllm.platforms"):
        monkeypatch.setitem(sys.modules, name, ModuleType(name))
    modules: Any = sys.modules
    modules["vllm"].SamplingParams = SimpleNamespace
    modules["vllm.inputs"].tokens_input = list
    modules["vllm.platforms"].current_platform = platform
    monkeypatch.setattr(choose, "_PACKAGES", {**choose._PACKAGES, "vllm": ()})
    for name in ("VLLM_ENABLE_V1_MULTIPROCESSING", "VLLM_NO_USAGE_STATS", "VLLM_BATCH_INVARIANT"):
        monkeypatch.setenv(name, "")
        monkeypatch.delenv(name)
    return platform


def test_rows_are_given_as_slots_free_up_and_come_back_as_they_end(platform: object) -> None:
    from job.generate.engines.vllm import generate

    llm = FakeLLMEngine()
    generated = list(generate(llm, ROWS, Settings(), [0], 2))
    assert [(row.number, len(completion.token_ids)) for row, completion in generated] == [
        (1, 3),
        (0, 4),
        (2, 2),
    ]
    assert llm.most == 2


def test_the_rows_that_run_are_aborted_when_the_iterator_is_closed(platform: object) -> None:
    from job.generate.engines.vllm import generate

    llm = FakeLLMEngine()
    generated = generate(llm, ROWS, Settings(), [0], 3)
    next(generated)
    assert llm.running
    generated.close()
    assert not llm.running


@pytest.mark.parametrize(
    ("stop", "count", "reason"), [("77", 2, "stop"), ("7777", 4, "stop"), ("8", 4, "length")]
)
def test_a_stop_text_ends_a_text(platform: object, stop: str, count: int, reason: str) -> None:
    from job.generate.engines.vllm import generate

    tokenizer: Any = Numerals()
    llm = FakeLLMEngine()
    (generated,) = generate(llm, [replace(ROWS[0], stops=StopTexts((stop,), tokenizer))], Settings(), [0], 2)
    assert generated[1] == Completion((7,) * count, reason)
    assert not llm.running


def test_each_row_has_a_seed_of_its_own_by_its_key(platform: object) -> None:
    from job.generate.engines.vllm import build_sampling_params

    def seed(row: Row, settings: Settings) -> int:
        value: int = build_sampling_params(row, settings, [0]).seed
        return value

    row = ROWS[0]
    seeds = [
        seed(row, Settings()),
        seed(replace(row, sequence=2), Settings()),
        seed(row, Settings(seed=7)),
        seed(ROWS[1], Settings()),
        seed(replace(row, settings=Settings(seed=8)), Settings()),
    ]
    assert len(set(seeds)) == 5
    assert all(0 <= each < 2**63 for each in seeds)
    assert seed(replace(row, number=99), Settings()) == seeds[0]


def test_settings_become_sampling_parameters(platform: object) -> None:
    from job.generate.engines.vllm import build_sampling_params

    settings = Settings(
        temperature=0.5,
        top_k=0,
        top_p=0.9,
        min_p=0.1,
        repetition_penalty=1.2,
        frequency_penalty=0.3,
        presence_penalty=-0.4,
    )
    row = replace(ROWS[0], min_new_tokens=2, bad_words=((1, 2), (3,)), logprobs=0)
    params = vars(build_sampling_params(row, settings, [0, 5]))
    del params["seed"]
    assert params == {
        "temperature": 0.5,
        "top_k": 0,
        "top_p": 0.9,
        "min_p": 0.1,
        "repetition_penalty": 1.2,
        "frequency_penalty": 0.3,
        "presence_penalty": -0.4,
        "max_tokens": 4,
        "min_tokens": 2,
        "logprobs": 0,
        "stop_token_ids": [0, 5],
        "ignore_eos": True,
        "detokenize": False,
        "_bad_words_token_ids": [[1, 2], [3]],
    }
    assert build_sampling_params(ROWS[0], replace(settings, greedy=True), []).temperature == 0
    assert build_sampling_params(ROWS[0], settings, [0]).logprobs is None
    assert build_sampling_params(replace(ROWS[0], ignore_eos=True), settings, [0]).stop_token_ids == []


@pytest.mark.parametrize(("count", "likely"), [(0, []), (1, [(3, -0.5)]), (2, [(3, -0.5), (7, -1.5)])])
def test_log_probabilities_come_by_their_rank(
    platform: object, count: int, likely: list[tuple[int, float]]
) -> None:
    from job.generate.engines.vllm import generate

    tokens = {7: SimpleNamespace(logprob=-1.5, rank=2), 3: SimpleNamespace(logprob=-0.5, rank=1)}
    llm = FakeLLMEngine(logprobs=[tokens])
    ((_, completion),) = generate(llm, [replace(ROWS[2], logprobs=count)], Settings(), [0], 2)
    assert completion.logprobs == (((7, -1.5), *likely),) * 2


def test_a_text_that_vllm_gives_up_is_an_error(platform: object) -> None:
    from job.generate.engines.vllm import generate

    with pytest.raises(TextgenError, match=r"^engine vllm: it gave a text up \(abort\)$"):
        list(generate(FakeLLMEngine("abort"), ROWS, Settings(), [0], 3))


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"device": "cpu"}, "^device cpu: the vllm that is installed runs on cuda$"),
        ({"device": "cuda:1"}, "^device cuda:1: the vllm engine numbers none; set CUDA_VISIBLE_DEVICES$"),
        ({"dtype": "int8"}, "^dtype int8: the vllm engine has none"),
    ],
)
def test_what_vllm_can_not_do_is_one_line(
    gpt2: Path, platform: object, changed: dict[str, str], message: str
) -> None:
    with pytest.raises(UnsupportedError, match=message):
        open_engine(replace(Settings(model=str(gpt2), engine="vllm"), **changed))  # type: ignore[arg-type]


def test_a_machine_without_a_device_for_it_is_one_line(gpt2: Path, platform: SimpleNamespace) -> None:
    platform.device_type = ""
    with pytest.raises(ModelError, match=r"^engine vllm: it finds no GPU"):
        open_engine(Settings(model=str(gpt2), engine="vllm"))


def test_it_reads_no_gguf_files_and_takes_no_adapters(platform: object, tmp_path: Path) -> None:
    from job.generate.engines.vllm import VllmEngine

    file = tmp_path / "model.gguf"
    file.touch()
    with pytest.raises(UnsupportedError, match="no GGUF files"):
        VllmEngine(ModelFiles("model", "", file), Settings())
    with pytest.raises(UnsupportedError, match="no adapters"):
        VllmEngine(ModelFiles("model", "", tmp_path, tmp_path), Settings())


@pytest.mark.parametrize(("capability", "value"), [(75, None), (80, "1"), (90, "1")])
def test_rows_do_not_change_each_other_where_the_gpu_has_the_kernels(
    platform: SimpleNamespace, monkeypatch: pytest.MonkeyPatch, capability: int, value: str | None
) -> None:
    import os

    from job.generate.engines.vllm import _select_device

    platform.has_device_capability = lambda least: least <= capability
    assert _select_device("auto", False) == "cuda"
    assert os.environ.get("VLLM_BATCH_INVARIANT") == value


@pytest.mark.parametrize(
    ("is_cuda", "capability", "invariant", "is_taken"),
    [(True, 90, None, True), (True, 90, "0", False), (True, 75, None, False), (False, 90, "1", False)],
)
def test_deterministic_needs_kernels_whose_results_no_row_changes(
    platform: Any,
    monkeypatch: pytest.MonkeyPatch,
    is_cuda: bool,
    capability: int,
    invariant: str | None,
    is_taken: bool,
) -> None:
    from job.generate.engines.vllm import _select_device

    platform.is_cuda = lambda: is_cuda
    platform.has_device_capability = lambda least: least <= capability
    if invariant is not None:
        monkeypatch.setenv("VLLM_BATCH_INVARIANT", invariant)
    if is_taken:
        assert _select_device("auto", True) == "cuda"
        return
    with pytest.raises(UnsupportedError, match=r"^deterministic: vLLM has it on NVIDIA GPUs"):
        _select_device("auto", True)


@pytest.mark.parametrize("changed", [{"quantization": "fp8"}, {"tensor_parallel_size": 2}])
@pytest.mark.parametrize("engine", ["openvino", "transformers", "auto"])
def test_settings_of_vllm_are_refused_elsewhere(
    gpt2: Path, monkeypatch: pytest.MonkeyPatch, changed: dict[str, Any], engine: str
) -> None:
    monkeypatch.setattr(choose, "_GPUS", ())
    settings = replace(Settings(model=str(gpt2), engine=engine), **changed)
    with pytest.raises(
        SettingsError, match=f"^{next(iter(changed))} .*: the .* engine has none; set engine to vllm"
    ):
        open_engine(settings)


def test_it_keeps_to_no_structure(gpt2: Path, platform: object) -> None:
    with pytest.raises(
        SettingsError, match=r"^regex: the vllm engine has none; set engine to openvino or tr"
    ):
        open_engine(Settings(model=str(gpt2), engine="vllm", regex="a"))


def test_vllm_that_is_not_installed_is_one_line(gpt2: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(choose, "_PACKAGES", {**choose._PACKAGES, "vllm": ("no_such_package",)})
    with pytest.raises(
        ModelError, match=r"^engine vllm: not installed; run: pip install 'argo-textgen\[vllm\]'$"
    ):
        open_engine(Settings(model=str(gpt2), engine="vllm"))
