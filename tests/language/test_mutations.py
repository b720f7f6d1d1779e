"""Whatever the bytes are, the answer is a workflow or located errors, soon, and in one line each.

`TEXTGEN_MUTATIONS=10000` runs more of them than the suite has time for.
"""

import os
import random
import re
from collections.abc import Callable
from pathlib import Path

import pytest

from argo.language import CheckResult, Severity, check
from tests.workflow_files import ROOT, workflow_files

_EXAMPLES = re.findall(r"```yaml\n(.*?)```", (ROOT / "docs" / "lint.md").read_text("utf-8"), re.DOTALL)
_TEXTS = _EXAMPLES + [file.read_text("utf-8") for file in workflow_files()]
_COUNT = int(os.environ.get("TEXTGEN_MUTATIONS", "500"))

_SNIPPETS = (
    *("\0", "\t", "\r", "\ufeff", "\u2028", "\x1b[2J", "🤖", "'", '"', "{", "}", "[", "]", "- ", ": ", "#"),
    *(
        "|",
        ">",
        "&a ",
        "*a",
        "<<: *a\n",
        "!x ",
        "!!binary ",
        "? ",
        "---\n",
        "...\n",
        "%YAML 9.9\n",
        '"\\UFFFFFFFF"',
    ),
    *("null", "~", "true", "-1", "1e999", ".nan", "2024-01-01", "secret:", "secret:a b", "${{ x }}", "{{x}}"),
    *("context.event.github.url", "workflow.inputs.x", "a.outputs.b", "../..", "/outputs/../etc", "--help"),
    *("jobs", "uses", "with", "needs", "inputs", "outputs", "env", "resources", "script@v1", "type: volume"),
)


def _bytes(text: str, pick: random.Random) -> bytes:
    data = bytearray(text.encode())
    for _ in range(pick.randint(1, 8)):
        data[pick.randrange(len(data))] = pick.randrange(256)
    return bytes(data)


def _insert(text: str, pick: random.Random) -> bytes:
    for _ in range(pick.randint(1, 4)):
        at = pick.randrange(len(text) + 1)
        text = text[:at] + pick.choice(_SNIPPETS) + text[at:]
    return text.encode("utf-8", "surrogatepass")


def _value(text: str, pick: random.Random) -> bytes:
    match = pick.choice(list(re.finditer(r"(?<=: )[^\n]+|(?<=- )[^\n]+|\Z", text)))
    new = pick.choice((*_SNIPPETS, "[a, [b]]", "{a: {b: c}}", "[]", "{}", "", "x" * 5000))
    return (text[: match.start()] + new + text[match.end() :]).encode()


def _lines(text: str, pick: random.Random) -> bytes:
    lines = text.split("\n")
    for _ in range(pick.randint(1, 4)):
        a, b = pick.randrange(len(lines)), pick.randrange(len(lines))
        change = pick.randrange(5)
        if change == 0:
            lines[a], lines[b] = lines[b], lines[a]
        elif change == 1 and len(lines) > 1:
            del lines[a]
        elif change == 2:
            lines.insert(b, lines[a])
        else:
            lines[a] = lines[a][2:] if change == 3 else "  " + lines[a]
    return "\n".join(lines).encode()


def _nest(text: str, pick: random.Random) -> bytes:
    depth = pick.choice((5, 49, 60, 2000))
    return text.replace(
        ": ", f": {pick.choice('[{')}" * depth if pick.random() < 0.5 else ": [" * depth, 1
    ).encode()


_MUTATORS: tuple[Callable[[str, random.Random], bytes], ...] = (_bytes, _insert, _value, _lines, _nest)


def _assert_answered(result: CheckResult, data: bytes) -> None:
    errors = [each for each in result.diagnostics if each.severity is Severity.ERROR]
    assert (result.workflow is None) is bool(errors)
    most = data.count(b"\n") + data.count(b"\r") + data.count(b"\xc2\x85") + data.count(b"\xe2\x80") + 2
    for each in result.diagnostics:
        assert 1 <= each.position.line <= most
        assert str(each).isprintable()
        assert len(str(each)) < 2000


@pytest.mark.parametrize("start", range(0, _COUNT, 100))
def test_a_mutated_file_is_answered(start: int, tmp_path: Path) -> None:
    path = tmp_path / "flow.yaml"
    for seed in range(start, min(start + 100, _COUNT)):
        pick = random.Random(seed)  # noqa: S311
        data = pick.choice(_MUTATORS)(pick.choice(_TEXTS), pick)
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
        ("a: " + "'" + "x\n\n" * 20_000, "quoted scalar"),
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
