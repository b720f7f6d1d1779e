"""A project with runs and datasets, among them hostile ones, and the server that shows it."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field, replace
from datetime import timedelta
from pathlib import Path
from typing import Any

from argo.local import run_folder
from argo.local.saved_plan import SavedPlan
from argo.runs import JobRecord, Phase, RunRecord, now
from job.datasets import DatasetRef, Datasets

FILE = """\
inputs:
  seed: {type: string, with: {value: "42"}}
jobs:
  checkout:
    outputs: {repo: {type: volume}}
    uses: git-checkout@v1
    with: {url: https://example.org/stories.git}
  generate:
    needs: [checkout]
    inputs: {repo: checkout.outputs.repo}
    outputs: {texts: {type: dataset, with: {ref: stories}}}
    uses: script@v1
    with: {image: an/image, script: generate}
  check:
    needs: [generate]
    inputs: {texts: generate.outputs.texts}
    outputs: {count: {type: string}}
    uses: script@v1
    with: {image: an/image, script: check}
"""
SETTINGS = {"model": "smollm2-135m", "seed": 42, "temperature": 1.0}
# Each would do something on a page that takes it for more than text.
HOSTILE = (
    "<script>window.hacked = 1</script>",
    '<img src="/missing.png" onerror="window.hacked = 1">',
    '"><svg onload="window.hacked = 1"></svg>',
    '<a href="javascript:window.hacked = 1" id="trap">a link</a>',
    "</style><style>body { display: none }</style>",
    "<iframe src=https://example.org></iframe><link rel=stylesheet href=//example.org/a.css>",
    "{{ 7 * 7 }}{% include 'base.html' %}${7*7}",
    "\x1b]0;title\x07\x1b[2J\x1b[31mred\x1b[0m",
    "abc\u202edef\u2066ghi\u200b\ufeff",
    "\x00\x08\r\x85\u2028",
    "</pre></details></main><h1>end</h1>",
)


@dataclass
class Site:
    """A project; `versions` are by the names that tests give them."""

    root: Path
    cache: Path
    versions: dict[str, str] = field(default_factory=dict)
    url: str = ""
    token: str = ""

    @property
    def datasets(self) -> Datasets:
        return Datasets.at((self.root / ".textgen/datasets").as_uri())

    @property
    def runs(self) -> Path:
        return self.root / ".textgen/runs"

    def commit(
        self, name: str, dataset: str, files: Mapping[str, bytes], lineage: Mapping[str, object] | None = None
    ) -> str:
        """Commit a version, which `versions` has under `name` then."""
        source = self.root / "made" / name
        for path, body in files.items():
            (source / path).parent.mkdir(parents=True, exist_ok=True)
            (source / path).write_bytes(body)
        version = self.datasets.commit_version(DatasetRef(dataset), source, lineage=lineage or {})
        self.versions[name] = str(version)
        return str(version)

    def add_run(self, name: str, record: RunRecord, logs: Mapping[str, str]) -> Path:
        """Write a run's folder as its process does."""
        folder = self.runs / name
        for job, text in logs.items():
            (folder / "jobs" / job).mkdir(parents=True)
            (folder / "jobs" / job / "log").write_text(text, "utf-8")
        folder.mkdir(parents=True, exist_ok=True)
        store = (self.root / ".textgen/datasets").as_uri()
        SavedPlan(self.root / "stories.yaml", FILE, None, (), None, store, {}, None).write(folder)
        run_folder.Run(folder, replace(record, name=name))
        return folder

    def add_example_run(self, name: str) -> None:
        """Write the folder of a run that has succeeded."""
        jobs = {"say": JobRecord((), Phase.SUCCEEDED)}
        record = RunRecord(name, "say", "say.yaml", "host", "", {}, now(), jobs, Phase.SUCCEEDED)
        self.add_run(name, record, {"say": "hello\n"})


def row(
    name: str, completion: str, sequence: int = 1, prompt: str = "Once upon a time", **more: object
) -> dict[str, object]:
    """A row as a generation writes it."""
    return {
        "id": name,
        "prompt": prompt,
        "sequence": sequence,
        "text": prompt + completion,
        "prompt_tokens": 4,
        "new_tokens": len(completion.split()),
        "finish_reason": "stop",
        **more,
    }


def encode(rows: list[dict[str, object]]) -> bytes:
    return b"".join(json.dumps(row, ensure_ascii=False).encode() + b"\n" for row in rows)


def generated(rows: list[dict[str, object]], **settings: object) -> dict[str, bytes]:
    """The files of a generation."""
    record = {
        "state": "completed",
        "settings": {**SETTINGS, **settings},
        "run": {**SETTINGS, **settings},
        "rows": len(rows),
        "new_tokens": 1234,
        "seconds": 10.0,
        "tokens_per_second": 123.4,
    }
    return {"outputs.jsonl": encode(rows), "run.json": json.dumps(record).encode()}


def fill(site: Site) -> None:
    """Versions of texts and of other files, and a run of each kind that has ended."""
    tales = [
        row(f"tale-{n % 30}", f" there was a king number {n} and his horse", n // 30 + 1) for n in range(120)
    ]
    repository = {"url": "https://example.org/stories", "commit": "a" * 40}
    lineage = {"run": "succeeded", "job": "generate", "repository": repository}
    site.commit("before", "stories", generated(tales), lineage)
    changed = [
        each if n % 3 else row(str(each["id"]), f" there was a queen number {n} and a boat", n // 30 + 1)
        for n, each in enumerate(tales)
    ]
    texts = generated([*changed[:-2], row("new", " indeed")], temperature=0.7)
    after = site.commit("after", "stories", texts, lineage)
    site.commit(
        "hostile", "hostile", generated([row(text, text, prompt=text, score=text) for text in HOSTILE])
    )
    broken = encode([row("good", " text")]) + b'{"id": 1\n[]\n\xff\xfe\n{"text": 5}\n'
    site.commit("broken", "broken", {"outputs.jsonl": broken + encode([row("long", "x" * 3_000_000)])})
    shards = generated(tales)
    lines = shards.pop("outputs.jsonl").splitlines(keepends=True)
    shards |= {f"outputs-{n:05d}-of-00004.jsonl": b"".join(lines[n * 40 : n * 40 + 40]) for n in range(3)}
    site.commit("shards", "shards", shards, lineage)
    site.commit("empty", "empty", {"outputs.jsonl": b"", "table.csv": b""})
    site.commit("blank", "blank", {"outputs.jsonl": encode([row("blank", "", finish_reason="length")])})
    error = row("b", "", text=None, new_tokens=None, finish_reason=None, error="out of memory")
    site.commit("error", "error", {"outputs.jsonl": encode([row("a", " there was"), error])})
    chat = {"id": "1", "messages": [{"role": "user", "content": "The capital?"}], "sequence": 1}
    site.commit("chat", "chat", {"outputs.jsonl": encode([{**chat, "text": "Paris", "completion": "Paris"}])})
    png = (Path(__file__).parent / "pixel.png").read_bytes()
    site.commit(
        "files",
        "files",
        {
            "picture.png": png,
            "table.csv": b'name,text\na,"<b>bold</b>, and\nmore"\n<script>window.hacked = 1</script>,b\n',
            "values.json": b'{"a": [1, 2, "<script>window.hacked = 1</script>"]}',
            "notes.md": "Tëxt\n<script>window.hacked = 1</script>\u202e".encode(),
            "drawing.svg": b'<svg xmlns="http://www.w3.org/2000/svg" onload="window.hacked = 1"/>',
            "page.html": b"<script>window.hacked = 1</script>",
            "binary.bin": bytes(range(256)),
            "fake.png": b"<script>window.hacked = 1</script>",
            "<img src=x onerror=alert(1)>.txt": b"a name",
        },
    )
    add_runs(site, after)
    _add_hostile_run(site)


def add_runs(site: Site, version: str) -> None:
    """A run of each kind, of which one has made the version."""
    start = now() - timedelta(minutes=5)

    def job(phase: Phase, first: int, last: int, *needs: str, **fields: Any) -> JobRecord:
        """A job from the second `first` to `last` of its run."""
        times = (start + timedelta(seconds=first), start + timedelta(seconds=last))
        return JobRecord(needs, phase, *times, **fields)

    checkout = job(Phase.SUCCEEDED, 0, 2)
    jobs = {
        "checkout": checkout,
        "generate": job(Phase.SUCCEEDED, 3, 60, "checkout", outputs={"texts": version}),
        "check": job(Phase.SUCCEEDED, 61, 62, "generate", outputs={"count": "120"}),
    }
    end = start + timedelta(seconds=62)
    source, parameters = "commit aaaaaaa", {"seed": "7"}
    record = RunRecord(
        "", "stories", "stories.yaml", "sandbox", source, parameters, start, jobs, Phase.SUCCEEDED, end
    )
    record = replace(record, branch="main")
    logs = {"checkout": "cloned\n", "generate": "120 texts\n", "check": "fine\n"}
    site.add_run("succeeded", record, logs)

    message = "exit status 1"
    failed = {
        "checkout": checkout,
        "generate": job(Phase.FAILED, 3, 60, "checkout", message=message),
        "check": JobRecord(("generate",), Phase.OMITTED),
    }
    later = start + timedelta(seconds=9)
    ended = replace(record, jobs=failed, phase=Phase.FAILED, message=f"generate: {message}", started=later)
    ended = replace(ended, branch="queens")
    logs = {"checkout": "cloned\n", "generate": "reading\nValueError: no prompt in line 4\n"}
    site.add_run("failed", ended, logs)

    running = {
        "checkout": checkout,
        "generate": replace(job(Phase.RUNNING, 3, 3, "checkout"), finished=None),
        "check": JobRecord(("generate",)),
    }
    alive = replace(record, jobs=running, phase=Phase.RUNNING, finished=None, parameters={"seed": "42"})
    site.add_run("killed", alive, {"generate": "reading\n"})
    began = now() - timedelta(seconds=12)
    jobs = running | {
        "checkout": replace(checkout, started=began, finished=began + timedelta(seconds=2)),
        "generate": replace(running["generate"], started=began + timedelta(seconds=3)),
    }
    site.add_run("running", replace(alive, started=began, jobs=jobs), {"generate": "first line\n"})


def _add_hostile_run(site: Site) -> None:
    text = "\n".join(HOSTILE)
    start = now() - timedelta(minutes=5)
    jobs = {
        "checkout": JobRecord((), Phase.SUCCEEDED, start, start),
        HOSTILE[0]: JobRecord(
            ("checkout",), Phase.FAILED, start, now(), message=text, outputs={"string": text}
        ),
    }
    record = RunRecord(
        "", "stories", text, "sandbox", text, {text: text}, start, jobs, Phase.FAILED, now(), message=text
    )
    site.add_run("hostile", replace(record, branch=text), {"checkout": f"{text}\n"})


@contextmanager
def served(site: Site, *words: str, **variables: str) -> Iterator[Site]:
    """The site, while `textgen view` serves it."""
    environment = {**os.environ, "XDG_CACHE_HOME": str(site.cache), "KUBECONFIG": "/dev/null", **variables}
    with ExitStack() as stack:
        server = stack.enter_context(
            subprocess.Popen(
                [sys.executable, "-m", "argo", "view", "--no-open", *words],
                cwd=site.root,
                env=environment,
                stdout=subprocess.PIPE,
                text=True,
            )
        )
        stack.callback(server.terminate)
        assert server.stdout
        line = server.stdout.readline().strip()
        site.url, _, site.token = line.partition("/?token=")
        yield site
