"""The workflow files that tests read: this repository's, and real ones if a collection is beside it."""

from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
# Written for the tests, in the forms of the collected files.
WORKFLOWS = ROOT / "tests" / "workflows"
MISTAKES = WORKFLOWS / "mistakes"
CORPUS = ROOT.parent / "shared" / "corpus"

needs_corpus = pytest.mark.skipif(not CORPUS.is_dir(), reason=f"no collection of real files at {CORPUS}")


def workflow_files() -> list[Path]:
    """Every workflow file, those with errors too: the tests' own, and the collected ones if there are any."""
    folders = [WORKFLOWS, MISTAKES, ROOT / "tests/compile/conformance", ROOT / ".gradient/workflows"]
    return [file for folder in [*folders, CORPUS] for file in sorted(folder.glob("*.y*ml"))]
