"""bench/mutants.py takes guards out of the code: each has to be there."""

import runpy
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[2]
MUTANTS = runpy.run_path(str(ROOT / "bench/mutants.py"))["MUTANTS"]


@pytest.mark.parametrize("mutant", MUTANTS, ids=lambda mutant: f"{mutant.file}: {mutant.guard}"[:60])
def test_the_guard_of_a_mutant_is_in_its_file(mutant: Any) -> None:
    assert mutant.guard in (ROOT / mutant.file).read_text("utf-8")
