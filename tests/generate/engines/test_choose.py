"""Which engine runs a model."""

import json
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from job.errors import InputError, ModelError, UnsupportedError
from job.generate.engines import choose
from job.generate.engines.choose import open_engine
from job.generate.engines.openvino import dtypes
from job.generate.run import run
from job.generate.settings import Settings
from tests.generate.conftest import read_rows

pytestmark = pytest.mark.model


@pytest.fixture
def settings(gpt2: Path) -> Settings:
    return Settings(model=str(gpt2), max_length=20, num_return_sequences=3)


@pytest.fixture(autouse=True)
def no_gpu(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(choose, "_GPUS", ())
    monkeypatch.setattr("sys.platform", "linux")


def edit_config(folder: Path, **values: object) -> None:
    file = folder / "config.json"
    file.write_text(json.dumps(json.loads(file.read_text()) | values))


@pytest.fixture
def other_family(gpt2: Path, tmp_path: Path) -> Path:
    """A GPT-2 that scales its attention by the layer, which is not built."""
    folder = tmp_path / "other"
    shutil.copytree(gpt2, folder)
    edit_config(folder, scale_attn_by_inverse_layer_idx=True)
    return folder


@pytest.mark.parametrize(
    ("changed", "name"),
    [
        ({}, "openvino"),
        ({"device": "cpu"}, "openvino"),
        ({"dtype": "float16"}, "transformers"),
        ({"dtype": "bfloat16"}, "openvino"),
        ({"dtype": "int8"}, "openvino"),
        ({"engine": "transformers"}, "transformers"),
        ({"engine": "echo"}, "echo"),
    ],
)
def test_the_engine_goes_by_the_settings(
    settings: Settings, changed: dict[str, Any], name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(dtypes, "list_dtypes", lambda: dtypes.DTYPES)
    assert open_engine(replace(settings, **changed)).name == name


def test_a_model_that_openvino_does_not_build_goes_to_transformers_and_says_why(
    settings: Settings, other_family: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    settings = replace(settings, model=str(other_family))
    assert open_engine(settings).name == "transformers"
    (line,) = capsys.readouterr().err.splitlines()
    assert "scale_attn_by_inverse_layer_idx" in line
    assert line.endswith("; transformers runs it")
    with pytest.raises(ModelError, match="scale_attn_by_inverse_layer_idx"):
        open_engine(replace(settings, engine="openvino"))


@pytest.mark.parametrize("device", ["mps", "cuda", "cuda:1"])
def test_a_gpu_is_not_asked_of_openvino(settings: Settings, device: str) -> None:
    with pytest.raises(ModelError, match=f"device {device}: (torch can't use one here|not on this machine)"):
        open_engine(replace(settings, device=device))
    with pytest.raises(ModelError, match=f"device {device}: the openvino engine runs on the CPU; set "):
        open_engine(replace(settings, device=device, engine="openvino"))


@pytest.mark.parametrize("engine", ["transformers", "openvino"])
def test_a_run_goes_on_with_the_engine_that_began_it(
    settings: Settings, tmp_path: Path, engine: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "outputs"
    run(replace(settings, engine=engine), folder)
    whole = read_rows(folder)
    rows = folder / "outputs.jsonl"
    rows.write_bytes(rows.read_bytes().splitlines(keepends=True)[0])
    # What `auto` would take by itself is another one.
    other = {"openvino": "transformers", "transformers": "openvino"}[engine]
    monkeypatch.setattr(choose, "_choose", lambda *arguments: choose._make(other, *arguments))
    run(settings, folder)
    assert read_rows(folder) == whole
    assert json.loads((folder / "run.json").read_text())["run"]["engine"] == engine


def test_a_run_that_names_no_engine_was_made_by_transformers(settings: Settings, tmp_path: Path) -> None:
    run(replace(settings, engine="transformers"), tmp_path)
    file = tmp_path / "run.json"
    record = json.loads(file.read_text())
    del record["run"]["engine"]
    file.write_text(json.dumps(record))
    run(settings, tmp_path)
    with pytest.raises(InputError, match=r"another run \(engine 'transformers', not 'openvino'"):
        run(replace(settings, engine="openvino"), tmp_path)


@pytest.mark.parametrize("engine", ["of a later release", ["openvino"], 1])
def test_the_texts_of_an_engine_that_nobody_knows_are_another_run_s(
    settings: Settings, tmp_path: Path, engine: object
) -> None:
    settings = replace(settings, engine="echo")
    run(settings, tmp_path)
    file = tmp_path / "run.json"
    record = json.loads(file.read_text())
    record["run"]["engine"] = engine
    file.write_text(json.dumps(record))
    for name in ("auto", "echo"):
        with pytest.raises(InputError, match=r"holds the texts of another run \(.*engine "):
            run(replace(settings, engine=name), tmp_path)


def test_an_engine_that_is_not_installed_is_one_line(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(choose, "_PACKAGES", {"openvino": ("no_such_package",), "transformers": ("torch",)})
    with pytest.raises(ModelError, match="engine openvino: not installed; run: "):
        open_engine(replace(settings, engine="openvino"))
    with pytest.raises(ModelError, match="engine openvino: not installed; run: "):
        open_engine(settings, earlier="openvino")
    assert open_engine(settings).name == "transformers"


def test_the_number_of_slots_does_not_part_a_run_of_openvino(settings: Settings, tmp_path: Path) -> None:
    run(replace(settings, engine="openvino", batch_size=1), tmp_path / "one")
    run(replace(settings, engine="openvino"), tmp_path / "one")
    run(replace(settings, engine="openvino"), tmp_path / "many")
    assert read_rows(tmp_path / "one") == read_rows(tmp_path / "many")
    run(replace(settings, engine="transformers", batch_size=1), tmp_path / "batches")
    with pytest.raises(InputError, match="batch_size 1, not 16"):
        run(replace(settings, engine="transformers"), tmp_path / "batches")


def test_weights_that_openvino_does_not_know_go_to_transformers(
    settings: Settings, gpt2: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    from safetensors.numpy import load_file, save_file

    folder = tmp_path / "model"
    shutil.copytree(gpt2, folder)
    weights = folder / "model.safetensors"
    tensors = load_file(weights)
    save_file(
        {**tensors, "transformer.h.0.unknown": tensors["transformer.ln_f.bias"]}, weights, {"format": "pt"}
    )
    settings = replace(settings, model=str(folder))
    with pytest.raises(UnsupportedError, match=r"the tensor transformer\.h\.0\.unknown"):
        run(replace(settings, engine="openvino"), tmp_path / "outputs")
    run(settings, tmp_path / "outputs")
    assert "does not know the tensor transformer.h.0.unknown; transformers runs it" in capsys.readouterr().err
    assert json.loads((tmp_path / "outputs/run.json").read_text())["run"]["engine"] == "transformers"
    assert len(read_rows(tmp_path / "outputs")) == 3


TOO_OLD = "The NVIDIA driver on your system is too old (found version 11040). Please update it.\nOr go to"


@pytest.fixture
def old_driver(monkeypatch: pytest.MonkeyPatch) -> None:
    """A GPU whose driver is too old for torch: it is counted, and can't be used."""

    def init() -> None:
        raise RuntimeError(TOO_OLD)

    monkeypatch.setattr(choose, "_GPUS", (Path("/dev/null"),))
    monkeypatch.setattr("torch.cuda.device_count", lambda: 1)
    monkeypatch.setattr("torch.cuda.is_available", lambda: False)
    monkeypatch.setattr("torch.cuda.init", init)


@pytest.mark.parametrize(("engine", "taken"), [("auto", "openvino"), ("transformers", "transformers")])
def test_a_gpu_that_torch_can_not_use_is_said_and_the_processor_taken(
    settings: Settings, engine: str, taken: str, old_driver: None, capsys: pytest.CaptureFixture[str]
) -> None:
    chosen = open_engine(replace(settings, engine=engine))
    assert (chosen.name, chosen.device) == (taken, "cpu")
    (line,) = capsys.readouterr().err.splitlines()
    assert line == (
        "this machine has a GPU, which torch can't use: "
        "The NVIDIA driver on your system is too old (found version 11040)"
    )


def test_a_gpu_that_is_asked_for_and_can_not_be_used_is_one_line(
    settings: Settings, old_driver: None
) -> None:
    with pytest.raises(
        ModelError,
        match=r"^device cuda:0: torch can't use one here: The NVIDIA driver .* 11040\); use --device auto$",
    ):
        open_engine(replace(settings, device="cuda"))


@pytest.mark.parametrize(
    ("device", "devices"),
    [("auto", "cuda:0, cuda:1, cuda:2"), ("cuda", "cuda:0, cuda:1, cuda:2"), ("cuda:2,0", "cuda:2, cuda:0")],
)
def test_all_gpus_are_used_or_those_that_are_named(
    settings: Settings, device: str, devices: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("torch.cuda.is_available", lambda: True)
    monkeypatch.setattr("torch.cuda.device_count", lambda: 3)
    monkeypatch.setattr("torch.cuda.is_bf16_supported", lambda: True)
    monkeypatch.setattr(choose, "_GPUS", (Path("/dev/null"),))
    engine = open_engine(replace(settings, device=device))
    assert (engine.name, engine.device, engine.dtype) == ("transformers", devices, "bfloat16")
    assert engine.identity()["device"] == "cuda"
    with pytest.raises(ModelError, match="device cuda:3: this machine has 3 CUDA devices"):
        open_engine(replace(settings, device="cuda:0,3"))
