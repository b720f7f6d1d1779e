"""Workflow files with something changed at random: as bytes, as text, or as the values that they hold."""

import json
import os
import random
import re
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML

from argo.language import check
from tests.workflow_files import ROOT, workflow_files


def seeds(number: int) -> list[range]:
    """Seeds for so many files, two hundred for each test; for more if `make soak` asks for them."""
    number = int(os.environ.get("TEXTGEN_MUTATIONS", number))
    return [range(start, min(start + 200, number)) for start in range(0, number, 200)]


@cache
def _texts() -> list[str]:
    examples = re.findall(r"```yaml\n(.*?)```", (ROOT / "docs" / "lint.md").read_text("utf-8"), re.DOTALL)
    return examples + [file.read_text("utf-8") for file in workflow_files()]


@cache
def _documents() -> list[Any]:
    """The workflows without an error, as values."""
    yaml = YAML(typ="safe", pure=True)
    yaml.allow_duplicate_keys = True
    return [yaml.load(text) for text in _texts() if check(Path("flow.yaml"), text.encode()).workflow]


def mutate(seed: int) -> bytes:
    """A file that no reader need take."""
    pick = random.Random(seed)  # noqa: S311
    return pick.choice(_MUTATORS)(pick.choice(_texts()), pick)


def mutate_values(seed: int) -> bytes:
    """A workflow with one to three other values, names or jobs, which may be errors."""
    pick = random.Random(seed)  # noqa: S311
    document = json.loads(json.dumps(pick.choice(_documents()), default=str))
    for _ in range(pick.choice((1, 1, 1, 2, 3))):
        pick.choice(_VALUE_MUTATORS)(document, pick)
    return json.dumps(document, ensure_ascii=pick.random() < 0.5).encode()


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


_TEXTS = (
    *("", " ", "a", "A", "_", "-", "1", "a_b", "a-b", "A-B", "a.b", "é", "語" * 9, "x" * 70, "x" * 300),
    *("main", "refs/heads/main", "+x", "a/.b", "a.lock/b", "v1.0", "0" * 40, "--help", "@", "HEAD"),
    *(
        "https://git.example/a/b.git",
        "http://git.example/a",
        "git@git.example:a/b",
        "host:path",
        "./a",
        "file:///a",
    ),
    *("secret:KEY", "secret:my key", "secret:é", "secret:..", "secret:", "context.event.github.url"),
    *("context.event.github.ref", "workflow.inputs.a", "a.outputs.b", "${{ x }}"),
    *("{{workflow.name}}", "{{=1}}", "$(HOME)", "\x1b[2J", "a\r\nb", "a\tb", "'\"`$", "\u2028", "😀"),
    *("{{" + "語" * 30_000, "x" * 140_000, "y" * 96_000, "\x07" * 30_000, "line\n" * 9_000),
    *("data", "data:v1", "data:latest", "team/data", "runs/data", "../data", "Data.1"),
    *(
        "python:3.11",
        "Python",
        "nvcr.io/nvidia/pytorch:1",
        "a//b",
        "a@sha256:" + "0" * 64,
        "localhost:5000/a",
        "a:b:c",
    ),
    *(
        "C4",
        "P4000",
        "free-gpu",
        "A100x8",
        "A100x80",
        "metal-cpu",
        "Tensorflow",
        "dataset",
        "volume",
        "string",
    ),
    *("/outputs/a", "/outputs/repo/deep", "/inputs/repo", "s3://bucket/prefix", "us-east-1", "a b"),
    *(
        "github-url",
        "github-ref",
        "workflow",
        "job",
        "container@v1",
        "script@v1",
        "git-checkout@v1",
        "create-model@v1",
    ),
)
_KEYS = (
    "jobs",
    "uses",
    "with",
    "needs",
    "inputs",
    "outputs",
    "env",
    "resources",
    "command",
    "args",
    "ref",
    "type",
)


def _places(value: Any) -> Iterator[tuple[Any, Any]]:
    """Every place of a document: a mapping or list, and a key or index of it."""
    if isinstance(value, dict | list):
        for key in list(value) if isinstance(value, dict) else range(len(value)):
            yield value, key
            yield from _places(value[key])


def _replace_text(document: Any, pick: random.Random) -> None:
    places = [(owner, key) for owner, key in _places(document) if not isinstance(owner[key], dict | list)]
    if places:
        owner, key = pick.choice(places)
        owner[key] = pick.choice(_TEXTS)


def _rename(document: Any, pick: random.Random) -> None:
    mappings = [owner for owner, _ in _places(document) if isinstance(owner, dict)]
    owner = pick.choice([mapping for mapping in mappings if mapping] or [{"a": 1}])
    old, new = pick.choice(list(owner)), pick.choice((*_TEXTS[:15], *_KEYS, "github-url", "workflow"))
    items = [(new if key == old else key, value) for key, value in owner.items()]
    owner.clear()
    owner.update(items)
    if owner is document.get("jobs"):  # as a person would
        for needs in (job.get("needs") for job in owner.values() if isinstance(job, dict)):
            if isinstance(needs, list):
                needs[:] = [new if need == old else need for need in needs]


def _copy_job(document: Any, pick: random.Random) -> None:
    jobs = document.get("jobs")
    if isinstance(jobs, dict) and jobs:
        name = pick.choice(list(jobs))
        change: Callable[[str], str] = pick.choice(
            (str.upper, str.lower, lambda n: n.replace("_", "-"), "1{}".format)
        )
        for number in range(pick.choice((1, 1, 1, 1, 210))):
            jobs[f"{change(name)}{number or ''}"] = json.loads(json.dumps(jobs[name]))


def _add_entry(document: Any, pick: random.Random) -> None:
    jobs = [job for job in (document.get("jobs") or {}).values() if isinstance(job, dict)]
    section = pick.choice(("inputs", "outputs", "env", "needs"))
    text = pick.choice(_TEXTS)
    entry: Any = pick.choice(
        ({"type": "volume"}, {"type": "string"}, {"type": "dataset", "with": {"ref": text}})
    )
    owner = pick.choice((document, *jobs))
    if section == "needs":
        if jobs:
            pick.choice(jobs)["needs"] = pick.sample(list(document["jobs"]), pick.randint(0, len(jobs)))
    elif isinstance(owner.setdefault(section, {}), dict):
        owner[section][pick.choice(_TEXTS[:16])] = text if section == "env" else entry


def _delete(document: Any, pick: random.Random) -> None:
    if places := list(_places(document)):
        owner, key = pick.choice(places)
        del owner[key]


_VALUE_MUTATORS: tuple[Callable[[Any, random.Random], None], ...] = (
    *(_replace_text, _replace_text, _replace_text, _rename, _copy_job, _add_entry, _add_entry, _delete),
)
