"""What the language's tests share: a text result as a file."""

from collections.abc import Callable

import pytest

from argo.language import CheckResult, Workflow, check


@pytest.fixture(scope="session")
def check_text(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], CheckResult]:
    """Check a text as the file `flow.yaml`: one file for all tests, as each is written anew."""
    path = tmp_path_factory.mktemp("language") / "flow.yaml"

    def check_text(text: str) -> CheckResult:
        path.write_text(text, encoding="utf-8")
        return check(path)

    return check_text


@pytest.fixture(scope="session")
def read_text(check_text: Callable[[str], CheckResult]) -> Callable[[str], Workflow]:
    """The workflow in a text that has no errors."""

    def read_text(text: str) -> Workflow:
        result = check_text(text)
        assert result.workflow is not None, result.diagnostics
        return result.workflow

    return read_text
