"""The Dockerfile's promises that hold or break without a build."""

import re
import shlex
import subprocess
import sys
from importlib.metadata import version
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
LINES = (ROOT / "Dockerfile").read_text("utf-8").replace("\\\n", " ").splitlines()

# The distributions of what is loaded after every module of the small image's commands.
IMPORTED_BY_JOB = """
import importlib, pkgutil, sys
from importlib.metadata import packages_distributions
import job.checkout.checkout, job.checkout.download, job.datasets, job.pod
for package in (job.datasets, job.pod):
    for each in pkgutil.iter_modules(package.__path__, package.__name__ + "."):
        importlib.import_module(each.name)
import boto3, obstore
distributions = packages_distributions()
modules = {name.partition(".")[0] for name in sys.modules}
print(*{name.lower() for module in modules for name in distributions.get(module, ())})
"""

IMPORTED_BY_TRIGGER = """
import importlib, pkgutil, sys
from importlib.metadata import packages_distributions
import argo.cli.trigger, argo.cluster.preflight.store, argo.trigger, job.datasets
for package in (argo.trigger, job.datasets):
    for each in pkgutil.iter_modules(package.__path__, package.__name__ + "."):
        importlib.import_module(each.name)
import boto3, kubernetes.client, kubernetes.config, obstore, yaml
distributions = packages_distributions()
modules = {name.partition(".")[0] for name in sys.modules}
print(*{name.lower() for module in modules for name in distributions.get(module, ())})
"""


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


def test_the_small_image_holds_what_its_commands_import() -> None:
    words = [sys.executable, "-c", IMPORTED_BY_JOB]
    ran = subprocess.run(words, cwd=ROOT, capture_output=True, text=True, check=True)
    # botocore takes certifi where it is; a virtual environment's own start loads setuptools
    assert (
        set(ran.stdout.split()) - {"argo-textgen", "certifi", "setuptools"}
        <= read_pins("requirements-pod.lock").keys()
    )


def test_the_poller_image_holds_what_its_command_imports() -> None:
    ran = subprocess.run(
        [sys.executable, "-c", IMPORTED_BY_TRIGGER], cwd=ROOT, capture_output=True, text=True, check=True
    )
    beside = {"argo-textgen", "setuptools"}
    assert {
        name.replace("_", "-").replace(".", "-") for name in set(ran.stdout.split()) - beside
    } <= read_pins("requirements-trigger.lock").keys()


@pytest.mark.parametrize("name", ["boto3", "botocore", "click", "obstore", "urllib3"])
def test_both_images_have_the_same_version_of(name: str) -> None:
    assert read_pins("requirements-pod.lock")[name] == read_pins("requirements-job.lock")[name]


def test_the_images_are_of_this_version() -> None:
    assert {line for line in LINES if line.startswith("ARG VERSION")} == {
        f"ARG VERSION={version('argo-textgen')}"
    }
