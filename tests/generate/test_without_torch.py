"""What runs where torch and transformers are not installed, and what is said there."""

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest

from job.generate.engines import choose
from job.generate.settings import Settings
from tests.generate.conftest import read_rows, save
from tests.generate.models.gguf.conftest import build_config, build_network
from tests.generate.models.gguf.writer import write_gguf
from tests.hidden_modules import hide_modules

pytestmark = pytest.mark.model

SETTINGS = ["--num-return-sequences", "2", "--max-length", "30", "--prompt", "The quick"]
COMMAND = r"run: make -C \S+ setup EXTRA=job$"


def run_job(
    folder: Path, *arguments: str | Path, absent: Sequence[str] = ("torch", "transformers")
) -> "subprocess.CompletedProcess[str]":
    """Run `python -m job` in the folder, with the modules as if they were not installed."""
    site = hide_modules(folder / "site", *absent)
    return subprocess.run(
        [sys.executable, "-m", "job", *map(str, arguments)],
        check=False,
        capture_output=True,
        text=True,
        cwd=folder,
        env=os.environ | {"PYTHONPATH": str(site)},
    )


def test_a_folder_s_model_generates_the_same_without_torch(gpt2: Path, tmp_path: Path) -> None:
    first = run_job(tmp_path, "generate", "--model", gpt2, "--output", "first", *SETTINGS)
    assert first.returncode == 0, first.stderr
    assert "engine openvino" in first.stderr
    run_job(tmp_path, "generate", "--model", gpt2, "--output", "second", *SETTINGS, absent=())
    assert read_rows(tmp_path / "first") == read_rows(tmp_path / "second") != []


def test_a_gguf_file_generates_without_torch(tmp_path: Path) -> None:
    path = write_gguf(tmp_path / "small.gguf", build_network(build_config("Llama")))
    outcome = run_job(tmp_path, "generate", "--model", path, "--output", "texts", *SETTINGS)
    assert outcome.returncode == 0, outcome.stderr
    assert len(read_rows(tmp_path / "texts")) == 2


def test_where_torch_is_installed_the_openvino_engine_does_not_import_it(gpt2: Path, tmp_path: Path) -> None:
    program = "import sys, job.__main__\ntry: job.__main__.main(sys.argv[1:])\nfinally: print(*sys.modules)"
    arguments = ["generate", "--model", str(gpt2), "--output", str(tmp_path), *SETTINGS]
    outcome = subprocess.run(
        [sys.executable, "-c", program, *arguments], check=True, capture_output=True, text=True
    )
    modules = {name.partition(".")[0] for name in outcome.stdout.split()}
    assert modules & {"openvino", "torch", "transformers"} == {"openvino"}


def test_a_model_is_found_without_torch(gpt2: Path, tmp_path: Path) -> None:
    assert run_job(tmp_path, "model", gpt2).stdout == f"{gpt2}\n"


def test_a_model_that_transformers_alone_runs_names_the_command(tmp_path: Path) -> None:
    from transformers import BloomConfig

    folder = save(tmp_path / "bloom", BloomConfig(hidden_size=32, n_layer=1, n_head=2, vocab_size=300))
    outcome = run_job(tmp_path, "generate", "--model", folder, *SETTINGS)
    assert outcome.returncode == 2
    (line,) = outcome.stderr.splitlines()
    assert (
        "does not build models of 'bloom'; the engine transformers, which may run it, is not installed"
        in line
    )
    assert re.search(COMMAND, line)


def test_a_tokenizer_that_transformers_alone_reads_names_the_command(gpt2: Path, tmp_path: Path) -> None:
    folder = Path(shutil.copytree(gpt2, tmp_path / "copy"))
    (folder / "tokenizer.json").unlink()
    outcome = run_job(tmp_path, "generate", "--model", folder, *SETTINGS)
    assert outcome.returncode == 2
    assert re.fullmatch(rf"textgen: model .*: it has no tokenizer\.json; .* {COMMAND}\n", outcome.stderr)


@pytest.mark.parametrize(("option", "value"), [("--engine", "transformers"), ("--device", "cuda")])
def test_what_only_torch_does_names_the_command(gpt2: Path, tmp_path: Path, option: str, value: str) -> None:
    outcome = run_job(tmp_path, "generate", "--model", gpt2, option, value, *SETTINGS)
    assert outcome.returncode == 2
    assert re.fullmatch(rf"textgen: {option[2:]} {value}: .*not installed; {COMMAND}\n", outcome.stderr)


def test_a_gpu_without_torch_is_said_and_the_processor_taken(
    gpt2: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(choose, "_GPUS", (tmp_path,))
    monkeypatch.setattr(choose, "is_installed", lambda *modules: "torch" not in modules)
    monkeypatch.setattr(sys, "platform", "linux")
    assert choose.open_engine(Settings(model=str(gpt2))).name == "openvino"
    (line,) = capsys.readouterr().err.splitlines()
    assert re.fullmatch(
        r"this machine has a GPU, which torch could use: it is not installed; run: make .*", line
    )


@pytest.mark.parametrize("module", ["numpy", "tokenizers", "openvino"])
def test_without_the_extra_of_the_processor_it_is_named(gpt2: Path, tmp_path: Path, module: str) -> None:
    absent = ("torch", "transformers", module)
    outcome = run_job(tmp_path, "generate", "--model", gpt2, *SETTINGS, absent=absent)
    assert outcome.returncode == 2
    (line,) = outcome.stderr.splitlines()
    assert re.search(r"not installed; run: make -C \S+ setup EXTRA=\w+$", line)
