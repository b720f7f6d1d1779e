"""The page about the code names files that exist, and the words that the code uses."""

import re
import subprocess

import pytest

from tests.docs.pages import ROOT

PAGE = (ROOT / "docs/architecture.md").read_text("utf-8")
NAMES = sorted(set(re.findall(r"(?<![\w./])(?:argo|job|k8s|tests|docs|bench)/[\w./-]*\w/?", PAGE)))


def test_every_file_and_folder_that_it_names_exists() -> None:
    assert len(NAMES) > 40
    assert [name for name in NAMES if not (ROOT / name).exists()] == []


@pytest.mark.parametrize("section", ["language", "cluster"])
def test_files_named_without_their_folder_exist_in_the_sections_folder(section: str) -> None:
    text = PAGE.split(f"`argo/{section}`")[-1].split("\n## ")[0]
    for name in re.findall(r"`(\w+\.py)`", text):
        assert (ROOT / "argo" / section / name).is_file(), name


def test_every_package_of_the_code_is_on_it() -> None:
    files = subprocess.run(["git", "-C", ROOT, "ls-files"], capture_output=True, text=True, check=True).stdout
    packages = set(re.findall(r"^((?:argo|job)/\w+)/", files, re.MULTILINE))
    assert {name for name in packages if name not in PAGE} <= {"argo/starter"}
