"""The Dockerfile's promises that hold or break without a build."""

import os
import re
import shlex
import subprocess
import sys
from importlib.metadata import version
from pathlib import Path

import pytest

from tests.hidden_modules import hide_modules

ROOT = Path(__file__).parents[2]
LINES = (ROOT / "Dockerfile").read_text("utf-8").replace("\\\n", " ").splitlines()

# Load every module of the commands that the image is for.
IMPORTS = {
    "requirements-pod.lock": """
import importlib, pkgutil
import job.checkout.checkout, job.checkout.download, job.datasets, job.pod
for package in (job.datasets, job.pod):
    for each in pkgutil.iter_modules(package.__path__, package.__name__ + "."):
        importlib.import_module(each.name)
import boto3, obstore
""",
    "requirements-trigger.lock": """
import importlib, pkgutil
import argo.cli.dataset.pairs, argo.cli.report, argo.cli.trigger, argo.cluster.preflight.store, argo.trigger
import argo.view.report, job.datasets
for package in (argo.trigger, job.datasets):
    for each in pkgutil.iter_modules(package.__path__, package.__name__ + "."):
        importlib.import_module(each.name)
import boto3, kubernetes.client, kubernetes.config, obstore, yaml
""",
    "requirements-job-cpu.lock": """
import rich.progress
from job.__main__ import job
arguments = ["--model", "smollm2-135m", "--num-return-sequences", "1", "--max-new-tokens", "1"]
job.main(["generate", *arguments, "--device", "cpu"], standalone_mode=False)
""",
}
DISTRIBUTIONS = """
import sys
from importlib.metadata import packages_distributions
distributions = packages_distributions()
modules = {name.partition(".")[0] for name in sys.modules}
print(*{name.lower() for module in modules for name in distributions.get(module, ())})
"""
# Taken if they are there, or by a virtual environment's own start.
OPTIONAL = {"argo-textgen", "backports-zstd", "certifi", "setuptools"}


def list_copied() -> list[list[str]]:
    """What each COPY takes from the repository."""
    words = [shlex.split(line)[1:-1] for line in LINES if line.startswith("COPY ")]
    return [each for each in words if not each[0].startswith("--from")]


def read_pins(lock: str) -> dict[str, str]:
    return dict(re.findall(r"^([\w.-]+)==(\S+)", (ROOT / lock).read_text("utf-8"), re.MULTILINE))


def test_the_build_is_sent_what_it_copies_and_no_more() -> None:
    sent = {line[1:] for line in (ROOT / ".dockerignore").read_text("utf-8").splitlines() if line[0] == "!"}
    wanted = {name for names in list_copied() for name in names}
    assert {name.partition("/")[0] for name in wanted} == sent
    assert all(any(ROOT.glob(name)) for name in wanted)


@pytest.mark.parametrize("lock", IMPORTS)
def test_an_image_holds_what_its_commands_import(lock: str, tmp_path: Path) -> None:
    path = f"{hide_modules(tmp_path / 'hidden', 'torch', 'transformers', 'accelerate')}:{ROOT}"
    words = [sys.executable, "-c", IMPORTS[lock] + DISTRIBUTIONS]
    ran = subprocess.run(
        words,
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": path},
        capture_output=True,
        text=True,
        check=True,
    )
    imported = {re.sub(r"[._]", "-", name) for name in ran.stdout.splitlines()[-1].split()}
    assert imported - OPTIONAL <= read_pins(lock).keys()


def test_the_light_image_holds_no_torch() -> None:
    assert not {"torch", "transformers", "kubernetes"} & read_pins("requirements-job-cpu.lock").keys()


@pytest.mark.parametrize("install", ["/requirements-job.lock", "/requirements-job-cpu.lock", "gguf"])
def test_an_image_that_generates_reads_parquet(install: str) -> None:
    (line,) = [each for each in LINES if each.startswith("RUN") and install in each]
    assert "/requirements-parquet.lock" in line


@pytest.mark.parametrize("lock", [*IMPORTS, "requirements-cpu.lock"])
def test_a_package_has_one_version_in_all_images(lock: str) -> None:
    assert read_pins(lock).items() <= read_pins("requirements-job.lock").items()


def test_the_images_are_of_this_version() -> None:
    assert {line for line in LINES if line.startswith("ARG VERSION")} == {
        f"ARG VERSION={version('argo-textgen')}"
    }
