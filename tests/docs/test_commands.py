"""Every command that a page shows in a ```console block runs, in order, in a fresh copy of the repository."""

import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
BLOCK = re.compile(r"^```console\n(.*?)^```$", re.DOTALL | re.MULTILINE)

# What runs this very test.
NOT_AGAIN = "make test"


def commands(page: Path) -> list[str]:
    """The lines that begin with `$ `, with the continuation lines (`> `) of each."""
    lines = "".join(BLOCK.findall(page.read_text("utf-8"))).splitlines()
    found: list[str] = []
    for line in lines:
        if line.startswith("$ "):
            found.append(line[2:])
        elif line.startswith("> "):
            found[-1] += "\n" + line[2:]
    return [command for command in found if command != NOT_AGAIN]


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """A repository with this one's files and a commit, and the environment of these tests as its .venv."""
    copy = tmp_path / "textgen"
    listed = subprocess.run(
        ["git", "ls-files", "-zco", "--exclude-standard"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    for name in filter(None, listed.stdout.split("\0")):
        if (ROOT / name).is_file():
            (copy / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / name, copy / name)
            os.utime(copy / name, (0, 0))  # older than the environment, so that make does not set it up again
    (copy / ".venv").symlink_to(ROOT / ".venv")
    for arguments in (["init", "-q", "-b", "main"], ["add", "-A"], ["commit", "-qm", "Everything"]):
        subprocess.run(["git", *arguments], cwd=copy, check=True, env=environment(tmp_path))
    return copy


def environment(home: Path) -> dict[str, str]:
    cache = Path(os.environ.get("XDG_CACHE_HOME", Path.home() / ".cache"))
    return {
        "PATH": f"{ROOT / '.venv/bin'}:{os.environ['PATH']}",
        "HOME": str(home),
        "TEXTGEN_CACHE": os.environ.get("TEXTGEN_CACHE", str(cache / "textgen")),
        "HF_HUB_OFFLINE": "1",
        "PIP_NO_INDEX": "1",
        "MAKEFLAGS": "UV=/bin/false",  # nothing is set up here
        "GIT_AUTHOR_NAME": "A", "GIT_AUTHOR_EMAIL": "a@example.org",
        "GIT_COMMITTER_NAME": "A", "GIT_COMMITTER_EMAIL": "a@example.org",
    }  # fmt: skip


@pytest.mark.model
@pytest.mark.parametrize("page", [page for page in PAGES if commands(page)], ids=lambda page: page.stem)
def test_the_commands_of_a_page_run(page: Path, checkout: Path, tmp_path: Path) -> None:
    script = "set -euo pipefail\n" + "\n".join(commands(page))
    done = subprocess.run(
        ["bash", "-xc", script],
        cwd=checkout,
        env=environment(tmp_path),
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]


LINK = re.compile(r"\]\(([^)#:]+)(?:#[^)]*)?\)")


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_the_links_of_a_page_lead_somewhere(page: Path) -> None:
    dead = [link for link in LINK.findall(page.read_text("utf-8")) if not (page.parent / link).exists()]
    assert not dead
