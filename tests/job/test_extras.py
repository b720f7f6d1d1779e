"""The command that installs what is missing."""

import importlib.metadata
import json
from pathlib import Path

import pytest

from job.extras import describe_missing, find_missing_module, install_command, is_installed


class Distribution:
    """An installed package, with what its installer has written of where it is from."""

    def __init__(self, origin: object) -> None:
        self.origin = origin

    def read_text(self, name: str) -> str | None:
        return None if self.origin is None else json.dumps(self.origin)


def install_from(monkeypatch: pytest.MonkeyPatch, origin: object) -> None:
    monkeypatch.setattr(importlib.metadata, "distribution", lambda _: Distribution(origin))


def test_in_a_checkout_it_is_make(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    checkout = tmp_path / "a b"
    checkout.mkdir()
    install_from(monkeypatch, {"url": checkout.as_uri(), "dir_info": {"editable": True}})
    assert install_command("job") == f"make -C '{checkout}' setup EXTRA=job"
    monkeypatch.chdir(checkout)
    assert install_command("job") == "make setup EXTRA=job"


@pytest.mark.parametrize(
    ("origin", "url"),
    [
        (None, ""),
        ({"url": "file:///source", "dir_info": {}}, ""),
        (
            {"url": "https://host.invalid/textgen.git", "vcs_info": {"vcs": "git", "commit_id": "c0ffee"}},
            " @ git+https://host.invalid/textgen.git@c0ffee",
        ),
    ],
)
def test_elsewhere_it_is_pip(monkeypatch: pytest.MonkeyPatch, origin: object, url: str) -> None:
    install_from(monkeypatch, origin)
    assert install_command("cpu") == f"pip install 'argo-textgen[cpu]{url}'"


def test_a_module_of_an_extra_is_described_and_no_other(monkeypatch: pytest.MonkeyPatch) -> None:
    install_from(monkeypatch, None)
    assert describe_missing("torch.cuda") == "torch is not installed; run: pip install 'argo-textgen[job]'"
    assert describe_missing("numpy") == "numpy is not installed; run: pip install 'argo-textgen[cpu]'"
    assert describe_missing("nothing") is None


@pytest.mark.parametrize(
    ("line", "module"),
    [
        ("ModuleNotFoundError: No module named 'torch'", "torch"),
        ("/usr/bin/python3: No module named transformers", "transformers"),
        ("ModuleNotFoundError: No module named 'torch.nothing'", "torch"),
        ("ModuleNotFoundError: No module named 'torchvision'", None),
        ("[transformers] PyTorch was not found. Models won't be available and only tokenizers", "torch"),
        ("torch", None),
        ("", None),
    ],
)
def test_python_s_error_names_what_is_missing(line: str, module: str | None) -> None:
    assert find_missing_module(line) == module


def test_modules_are_installed_if_all_are() -> None:
    assert is_installed("json", "pathlib")
    assert not is_installed("json", "no_such_module")
