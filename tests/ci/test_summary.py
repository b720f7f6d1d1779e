"""The summary of a run in Markdown: nothing that a job wrote is more than text in it."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

SUMMARY = Path(__file__).parents[2] / "ci/summary"
TEXTGEN = """\
#!/bin/sh
case "$*" in
  "get "*json*) cat "$FOLDER/run.json" ;;
  "get "*) printf 'Name:   run\\n\\nJOB   STATUS\\n' ;;
  "dataset get "*) mkdir "$5" && cp "$FOLDER/outputs.txt" "$5"; echo got ;;
esac
"""


def summarize(folder: Path, text: str, *versions: str, **variables: str) -> str:
    (folder / "textgen").write_text(TEXTGEN)
    (folder / "textgen").chmod(0o755)
    (folder / "outputs.txt").write_text(text, "utf-8", newline="")
    jobs = {"job": {"outputs": dict(enumerate(versions))}}
    (folder / "run.json").write_text(json.dumps({"jobs": jobs}))
    path = f"{folder}:{Path(sys.executable).parent}:{os.environ['PATH']}"
    env = {**os.environ, "PATH": path, "FOLDER": str(folder), "RUN": "run", "NAMESPACE": "space", **variables}
    done = subprocess.run([SUMMARY], env=env, capture_output=True, check=True)
    return done.stdout.decode()


def test_a_run_is_shown_with_its_link_its_jobs_and_its_texts(tmp_path: Path) -> None:
    shown = summarize(
        tmp_path, "one\ntwo\n", "demo:v1", ARGO_URL="https://argo.example.org/", TEXTGEN_STORE="file:///x"
    )
    assert shown == (
        "## Run [run](https://argo.example.org/workflows/space/run)\n\n"
        "    Name:   run\n    \n    JOB   STATUS\n\n"
        "\n### demo:v1\n\n    one\n    two\n\n"
    )


def test_without_a_store_it_says_how_to_get_the_text(tmp_path: Path) -> None:
    assert "\n### demo:v1\n\n    textgen dataset get demo:v1\n" in summarize(tmp_path, "", "demo:v1")


@pytest.mark.parametrize("end", ["\r", "\r\n", "\n\r\n", "\v", "\f", "\x85", "\u2028", "\u2029"], ids=ascii)
def test_headings_images_and_links_of_a_text_stay_text(tmp_path: Path, end: str) -> None:
    hostile = f"text{end}{end}# heading{end}{end}![](https://example.org/x.png){end}{end}[link](https://example.org)"
    shown = summarize(tmp_path, hostile, f"demo:v1{end}# heading", TEXTGEN_STORE="file:///x")
    lines = shown.splitlines()
    assert [line for line in lines if line.strip() and not line.startswith("    ")] == [
        "## Run run",
        f"### demo:v1{'�' * len(end)}\\# heading",
    ]
    assert "    ![](https://example.org/x.png)" in lines
    assert not {*"\r\v\f\x85\u2028\u2029"} & set(shown)
