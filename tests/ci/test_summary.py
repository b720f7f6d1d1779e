"""The summary of a run in Markdown: nothing that a job wrote is more than text in it."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from argo.runs import JobRecord, Phase, RunRecord, now
from job.datasets import DatasetRef
from tests.view.site import Site, generated, row

SUMMARY = Path(__file__).parents[2] / "ci/summary"
NO_VERSION = "demo:0123456789ab"
TEXTGEN = """\
#!/bin/sh
case "$*" in
  "get "*json*) cat "$FOLDER/run.json" ;;
  "get "*) printf 'Name:   run\\n\\nJOB   STATUS\\n' ;;
esac
"""


def summarize(folder: Path, *outputs: str, **variables: str) -> str:
    """The summary of a run whose only job has these outputs."""
    (folder / "textgen").write_text(TEXTGEN)
    (folder / "textgen").chmod(0o755)
    jobs = {"job": JobRecord((), Phase.SUCCEEDED, outputs={str(n): text for n, text in enumerate(outputs)})}
    run = RunRecord("run", "", "", "argo:space", "", {}, now(), jobs)
    (folder / "run.json").write_text(json.dumps(run.to_json()))
    path = f"{folder}:{Path(sys.executable).parent}:{os.environ['PATH']}"
    cache = str(folder / "cache")
    env = {**os.environ, "PATH": path, "FOLDER": str(folder), "RUN": "run", "NAMESPACE": "space"}
    env |= {"XDG_CACHE_HOME": cache, **variables}
    done = subprocess.run([SUMMARY], env=env, stdout=subprocess.PIPE, check=True)
    return done.stdout.decode()


@pytest.fixture
def site(tmp_path: Path) -> Site:
    return Site(tmp_path / "project", tmp_path / "cache")


def test_a_run_is_shown_with_its_link_its_jobs_and_its_texts(site: Site, tmp_path: Path) -> None:
    version = site.commit("demo", "demo", {"outputs.txt": b"one\ntwo\n"})
    url = "https://argo.example.org/"
    shown = summarize(tmp_path, version, ARGO_URL=url, TEXTGEN_STORE=site.datasets.url)
    assert shown == (
        "## Run [run](https://argo.example.org/workflows/space/run)\n\n"
        "    Name:   run\n    \n    JOB   STATUS\n\n"
        f"\n### {version}\n\n    one\n    two\n\n"
    )


def test_without_a_store_it_says_how_to_get_the_text(tmp_path: Path) -> None:
    shown = summarize(tmp_path, NO_VERSION)
    assert f"\n### {NO_VERSION}\n\n    textgen dataset get {NO_VERSION}\n" in shown


def test_a_string_is_no_version(tmp_path: Path) -> None:
    assert "###" not in summarize(tmp_path, "120", "a: b", "demo:latest")


def test_the_figures_of_texts_are_beside_those_of_the_version_before(site: Site, tmp_path: Path) -> None:
    before = site.commit("before", "demo", generated([row("a", " was a king"), row("b", " was a cat")]))
    rows = [row("a", " was a queen"), row("b", " was a cat"), row("c", " was")]
    after = site.commit("after", "demo", generated(rows, temperature=0.7))
    reports = tmp_path / "reports"
    store = {"TEXTGEN_STORE": site.datasets.url, "REPORTS": str(reports)}
    shown = summarize(tmp_path, after, **store)
    assert f"|  | {before} | {after} |\n|---|---|---|\n" in shown
    assert "\n| temperature | 1\\.0 | 0\\.7 |\n" in shown
    assert "\n| texts | 2 | 3 |\n" in shown
    assert "\n1 text changed, 1 the same, 1 in one version only.\n\n    a #1  " in shown
    assert "\n     was a[- king-]{+ queen+}\n" in shown
    report = after.replace(":", "-")
    assert shown.endswith(f"\nReport: {report}\\.html\n\n")
    assert f"Compared with {before}" in (reports / f"{report}.html").read_text("utf-8")


def test_texts_without_a_version_before_are_shown_themselves(site: Site, tmp_path: Path) -> None:
    gone = site.commit("gone", "demo", generated([row("a", " was a king")]))
    texts = {**generated([row("a", " was a king")]), "outputs.txt": b"Once upon a time was a king\n"}
    version = site.commit("demo", "demo", texts)
    site.datasets.delete(site.datasets.resolve(DatasetRef.parse(gone)))
    shown = summarize(tmp_path, version, TEXTGEN_STORE=site.datasets.url)
    assert f"\n|  | {version} |\n|---|---|\n| texts | 1 |\n" in shown
    assert shown.endswith("\n    Once upon a time was a king\n\n")


def test_texts_of_shards_are_shown_themselves(site: Site, tmp_path: Path) -> None:
    files = generated([row("a", " was a king"), row("b", " was a cat")])
    lines = files.pop("outputs.jsonl").splitlines(keepends=True)
    shards = {f"outputs-{n:05d}-of-00002.jsonl": line for n, line in enumerate(lines)}
    version = site.commit("demo", "demo", {**files, **shards})
    shown = summarize(tmp_path, version, TEXTGEN_STORE=site.datasets.url)
    assert f"\n|  | {version} |\n|---|---|\n| texts | 2 |\n" in shown
    assert "\n    > Once upon a time\n     was a king\n" in shown
    assert "\n     was a cat\n" in shown


def test_a_summary_has_the_size_that_github_takes(site: Site, tmp_path: Path) -> None:
    versions = [site.commit(f"{n}", f"demo{n}", {"outputs.txt": b"\n" * 100_000}) for n in range(4)]
    shown = summarize(tmp_path, *versions, TEXTGEN_STORE=site.datasets.url)
    assert len(shown) < 1 << 20
    assert shown.endswith(f"### {versions[-1]}\n\nThis summary is full.\n")


@pytest.mark.parametrize("end", ["\r", "\r\n", "\n\r\n", "\v", "\f", "\x85", "\u2028", "\u2029"], ids=ascii)
def test_headings_images_and_links_of_a_text_stay_text(site: Site, tmp_path: Path, end: str) -> None:
    hostile = f"text{end}{end}# heading{end}{end}![](https://example.org/x.png){end}{end}[link](https://example.org)"
    before = site.commit("before", "demo", generated([row("a", "text")]))
    changed = generated([row("a", hostile, id=hostile)], model=f"text|{end}# heading")
    after = site.commit("after", "demo", changed)
    files = site.commit("files", "files", {"outputs.txt": hostile.encode()})
    shown = summarize(tmp_path, after, files, TEXTGEN_STORE=site.datasets.url)
    lines = [line for line in shown.splitlines() if line.strip() and not line.startswith("    ")]
    assert lines[:4] == ["## Run run", f"### {after}", f"|  | {before} | {after} |", "|---|---|---|"]
    assert [line for line in lines[4:] if line[0] != "|"] == [
        "1 text changed, 0 the same, 0 in one version only.",
        f"### {files}",
    ]
    assert shown.splitlines().count("    ![](https://example.org/x.png)") >= 1
    assert not {*"\r\v\f\x85\u2028\u2029"} & set(shown)
