"""Whatever the bytes are, the answer is a workflow or located errors, soon, and in one line each."""

from pathlib import Path

import pytest

from argo.language import CheckResult, Severity, check
from tests.mutations import mutate, seeds


def _assert_answered(result: CheckResult, data: bytes) -> None:
    errors = [each for each in result.diagnostics if each.severity is Severity.ERROR]
    assert (result.workflow is None) is bool(errors)
    most = data.count(b"\n") + data.count(b"\r") + data.count(b"\xc2\x85") + data.count(b"\xe2\x80") + 2
    for each in result.diagnostics:
        assert 1 <= each.position.line <= most
        assert str(each).isprintable()
        assert len(str(each)) < 2000


@pytest.mark.parametrize("numbers", seeds(500), ids=str)
def test_a_mutated_file_is_answered(numbers: range, tmp_path: Path) -> None:
    path = tmp_path / "flow.yaml"
    for seed in numbers:
        data = mutate(seed)
        path.write_bytes(data)
        try:
            _assert_answered(check(path), data)
        except BaseException as error:
            raise AssertionError(f"seed {seed}: {data[:2000]!r}") from error


_BOMB = "a: &a [x, x, x, x, x, x, x, x, x]\n" + "".join(
    f"{new}: &{new} [{', '.join(['*' + old] * 9)}]\n" for old, new in zip("abcdefgh", "bcdefghi", strict=True)
)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        (_BOMB + "jobs: *i\n", "aliases expanded"),
        ("jobs: " + "[" * 500_000, "levels deep"),
        ("jobs:\n" + "\n".join(" " * depth + "a:" for depth in range(1, 900)), "levels deep"),
        ("- " * 200_000, "levels deep"),
        ("jobs: &a [*a]", "refers to a value that contains it"),
        ("jobs: [" + "x," * 21_000 + "]", "values"),
        ("x" * 10_000_000, "larger than 1 MiB"),
        ("#" * 200_000, "empty"),
        ("a: " + "'" + "x\n\n" * 20_000, "this quote is not closed"),
        ("jobs:\n" + "".join(f"  job{n}: {{}}\n" for n in range(1001)), "more than 1,000 jobs"),
    ],
    ids=["aliases", "flow", "blocks", "lists", "loop", "values", "size", "comment", "quote", "jobs"],
)
def test_a_bomb_is_refused_in_one_line(text: str, says: str, tmp_path: Path) -> None:
    path = tmp_path / "flow.yaml"
    path.write_text(text)
    errors = [each for each in check(path).diagnostics if each.severity is Severity.ERROR]
    assert says in errors[-1].message


def test_needs_that_form_a_long_chain_are_no_recursion(tmp_path: Path) -> None:
    path = tmp_path / "flow.yaml"
    job = "uses: script@v1, with: {image: i, script: s}"
    jobs = "".join(f"  j{n}: {{needs: [{f'j{n + 1}' if n < 998 else ''}], {job}}}\n" for n in range(999))
    path.write_text(f"jobs:\n{jobs}")
    assert check(path).workflow is not None
