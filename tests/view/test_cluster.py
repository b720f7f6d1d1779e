"""Runs of a real cluster on the pages: their jobs, when they ran, and their logs."""

import os
import re
from pathlib import Path

import pytest
from playwright.sync_api import Browser, expect

from tests.cluster.command import Command
from tests.cluster.kubernetes import Namespace
from tests.view.conftest import Visit, open_context
from tests.view.site import Site, served

pytestmark = pytest.mark.cluster

FILE = """
inputs:
  word: {type: string, with: {value: hello}}
jobs:
  say:
    uses: script@v1
    inputs: {word: workflow.inputs.word}
    outputs: {result: {type: dataset, with: {ref: shown}}}
    with: {image: 'debian:12', script: 'cat /inputs/word | tee /outputs/result/outputs.txt'}
  fail:
    uses: script@v1
    needs: [say]
    with: {image: 'debian:12', script: 'echo "the <b>reason</b>"; exit 3'}
"""


def test_a_run_of_the_cluster_is_shown(browser: Browser, baseline: Namespace, tmp_path: Path) -> None:
    site = Site(tmp_path / "project", tmp_path / "cache")
    site.root.mkdir()
    (site.root / "say.yaml").write_text(FILE)
    (site.root / "cluster.yaml").write_text("scale: 1/16\n")
    textgen = Command(site.root, baseline)
    words = ("say.yaml", "--cluster", "cluster.yaml", "-p", "word=goodbye", "-o", "name")
    name = textgen("submit", *words, status=1).strip()
    options = ("-n", baseline.name, "--store", baseline.store)
    with (
        served(site, *options, KUBECONFIG=os.environ["KUBECONFIG"]),
        open_context(browser, site) as context,
        context.new_page() as page,
    ):
        visit = Visit(site, page)
        visit.watch()
        visit.open("/")
        row = page.get_by_role("row", name=name)
        expect(row).to_contain_text("word goodbye")
        expect(row).to_contain_text("Failed")
        row.get_by_role("link", name=name).click()
        expect(page.locator(".failure")).to_contain_text(re.compile(r"fail.*exit code 3"))
        expect(page.locator(".failure .log")).to_contain_text("the <b>reason</b>")
        expect(page.get_by_role("img", name=re.compile(r"main .*s"))).to_have_count(2)
        page.locator("summary", has_text="say").click()
        expect(page.get_by_label("Log of say", exact=True)).to_contain_text("goodbye")
        page.get_by_role("link", name=re.compile("^shown:")).click()
        expect(page.get_by_role("heading", level=1)).to_contain_text("shown:")
        assert visit.problems == []
