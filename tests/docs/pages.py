"""The pages, and the commands that they show."""

import os
import re
from pathlib import Path

ROOT = Path(__file__).parents[2]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]

# What runs this very test.
NOT_AGAIN = "make test"


def commands(page: Path, fence: str = "console") -> list[str]:
    """The lines that begin with `$ ` in blocks of a fence (a pattern), with their continuations (`> `)."""
    blocks = re.findall(rf"^```(?:{fence})\n(.*?)^```$", page.read_text("utf-8"), re.DOTALL | re.MULTILINE)
    lines: list[str] = []
    for line in "".join(blocks).splitlines():
        if line.startswith("$ "):
            lines.append(line[2:])
        elif line.startswith("> "):
            lines[-1] += "\n" + line[2:]
    return [command for command in lines if command != NOT_AGAIN]


def environment(home: Path) -> dict[str, str]:
    return {
        "PATH": f"{ROOT / '.venv/bin'}:{os.environ['PATH']}",
        "HOME": str(home),
        "HF_HUB_OFFLINE": "1",
        "PIP_NO_INDEX": "1",
        "MAKEFLAGS": "UV=/bin/false",  # nothing is set up here
        "GIT_AUTHOR_NAME": "A", "GIT_AUTHOR_EMAIL": "a@example.org",
        "GIT_COMMITTER_NAME": "A", "GIT_COMMITTER_EMAIL": "a@example.org",
    }  # fmt: skip
