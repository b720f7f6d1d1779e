"""How long `textgen view` takes to show a version with many texts, in a real Chromium.

    python bench/view.py [--rows 200000]

Makes a store with one version, and an empty cache. The aims are a second until the first texts are painted,
and 200 ms for the next page.
"""

import json
import os
import random
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import click
from playwright.sync_api import Page, sync_playwright

from job.datasets import DatasetRef, Datasets

_WORDS = 40  # of a text
_TIMES = 5


@click.command()
@click.option("--rows", default=200_000, show_default=True)
def main(rows: int) -> None:
    """Print milliseconds."""
    with tempfile.TemporaryDirectory() as folder:
        project = Path(folder, "project")
        store = (project / ".textgen/datasets").as_uri()
        write_rows(project / "texts" / "outputs.jsonl", rows)
        version = Datasets.at(store).commit_version(DatasetRef("many"), project / "texts", lineage={})
        environment = {**os.environ, "XDG_CACHE_HOME": str(Path(folder, "cache")), "KUBECONFIG": "/dev/null"}
        command = [sys.executable, "-m", "argo", "view", "--no-open"]
        with subprocess.Popen(
            command, cwd=project, env=environment, stdout=subprocess.PIPE, text=True
        ) as server:
            assert server.stdout
            try:
                measure(server.stdout.readline().strip(), str(version), Path(folder, "cache/textgen/texts"))
            finally:
                server.terminate()


def write_rows(path: Path, count: int) -> None:
    """Texts of words that are as frequent as those of a language."""
    path.parent.mkdir(parents=True)
    source = random.Random(1)  # noqa: S311
    words = ["".join(source.choices("etaoinshrdlu", k=source.randint(2, 9))) for _ in range(20_000)]
    stream = source.choices(words, [1 / (n + 1) for n in range(len(words))], k=1_000_000)
    with path.open("w") as file:
        for number in range(count):
            start = source.randrange(len(stream) - _WORDS)
            prompt, text = stream[start : start + 8], stream[start : start + _WORDS]
            row = {
                "id": f"prompt-{number // 4}",
                "prompt": " ".join(prompt),
                "sequence": number % 4 + 1,
                "text": " ".join(text),
                "prompt_tokens": 10,
                "new_tokens": source.randint(5, 60),
                "finish_reason": source.choice(["stop", "length"]),
            }
            file.write(json.dumps(row) + "\n")


def measure(url: str, version: str, cache: Path) -> None:
    """Open the version for the first time, wait for its index, and turn pages."""
    site = url.partition("/?")[0]
    with sync_playwright() as playwright:
        program = shutil.which("chromium")
        browser = playwright.chromium.launch(executable_path=program, args=["--no-sandbox"])
        page = browser.new_page()
        page.goto(url)
        page.wait_for_url(lambda url: "token" not in url)
        click.echo("| what | ms |\n|---|---|")
        started = time.perf_counter()
        page.goto(f"{site}/datasets/{version}")
        report("first texts, without an index", page)
        page.wait_for_selector(".numbers", timeout=600_000)
        click.echo(f"| figures and search | {1000 * (time.perf_counter() - started):.0f} |")
        while not any(cache.glob("[!.]*-words.sqlite")):  # the words are indexed after the rows
            time.sleep(0.1)
        click.echo(f"| search by words | {1000 * (time.perf_counter() - started):.0f} |")
        report("first texts, with one", page, lambda: page.goto(f"{site}/datasets/{version}"))
        report("next page", page, lambda: page.click("[rel=next]"))
        report("a page in the middle", page, lambda: page.goto(f"{site}/datasets/{version}?page=2000"))
        report("search", page, lambda: page.goto(f"{site}/datasets/{version}?q=eta"))
        report("longest first", page, lambda: page.goto(f"{site}/datasets/{version}?sort=longest"))
        browser.close()
    for path in sorted(cache.glob("[!.]*.sqlite")):
        click.echo(f"{path.name.partition('-')[2]}: {path.stat().st_size >> 20} MiB")


def report(name: str, page: Page, go: Callable[[], object] | None = None) -> None:
    """Print the time from the request to the first paint of the texts; the middle one of some."""
    times = []
    for _ in range(_TIMES if go else 1):
        if go:
            go()
        page.wait_for_selector(".texts > li")
        times.append(
            page.evaluate(
                "new Promise(done => { const get = () => {"
                "const paint = performance.getEntriesByName('first-contentful-paint')[0];"
                "paint ? done(paint.startTime) : setTimeout(get, 10) }; get() })"
            )
        )
    click.echo(f"| {name} | {sorted(times)[len(times) // 2]:.0f} |")


if __name__ == "__main__":
    main()
