"""NOTICE names the licence of each package that the wheels ask for or the images hold."""

import re
import tomllib
from collections.abc import Iterator
from importlib.metadata import PackageNotFoundError, distribution
from itertools import chain
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).parents[2]
LOCKS = ("cpu", "job", "job-cpu", "pod", "trigger")


def list_shipped() -> set[str]:
    """The packages of the images' locks and of the extras, on Linux."""
    texts = [(ROOT / f"requirements-{name}.lock").read_text("utf-8") for name in LOCKS]
    lines = [line.rstrip(" \\") for text in texts for line in text.splitlines() if re.match(r"\w", line)]
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    lines += [*project["dependencies"], *chain.from_iterable(project["optional-dependencies"].values())]
    requirements = [Requirement(line) for line in lines]
    environment = {"sys_platform": "linux", "platform_system": "Linux"}
    names: set[str] = {
        canonicalize_name(each.name)
        for each in requirements
        if each.marker is None or each.marker.evaluate(environment)
    }
    return names - {project["name"]}


def read_notice() -> Iterator[tuple[str, str]]:
    """The packages that NOTICE names, with their licences."""
    groups = re.findall(r"^(\S.*):\n((?:  .+\n)+)", (ROOT / "NOTICE").read_text("utf-8"), re.MULTILINE)
    for licence, names in groups:
        yield from ((name, licence) for name in re.split(r"[,\s]+", names.strip()))


def test_each_package_that_is_shipped_has_one_licence_in_the_notice() -> None:
    assert sorted(name for name, _ in read_notice()) == sorted(list_shipped())


@pytest.mark.parametrize(("name", "licence"), list(read_notice()))
def test_a_licence_is_the_one_that_the_package_says(name: str, licence: str) -> None:
    try:
        metadata = distribution(name).metadata
    except PackageNotFoundError:
        pytest.skip(f"{name} is not installed")
    if "License-Expression" in metadata:
        assert metadata["License-Expression"] == licence
        return
    classifiers = [each for each in metadata.get_all("Classifier") or () if each.startswith("License ::")]
    said = " ".join([*(metadata.get_all("License") or ()), *classifiers])
    if said:  # in its own words
        assert re.split("[-. ]", licence.removeprefix("LicenseRef-"))[0] in said
