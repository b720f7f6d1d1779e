"""The modes that a job gave its files, before its shell made them readable for `store`."""

import re
from collections import defaultdict
from collections.abc import Mapping
from itertools import islice
from pathlib import Path

import click

from job.errors import CommitError
from job.pod.spec import MODES
from job.untrusted_files import MOST_ENTRIES, UntrustedPath

_LARGEST = MOST_ENTRIES * 128  # bytes
_LINE = re.compile(rb"(?m)^([0-7]{1,4}) \./([^/\n]+)/([^\n]+)\n")


def read_modes(outputs: Path) -> Mapping[str, Mapping[str, int]]:
    """The modes that SHARE_OUTPUTS wrote down before it changed them, by output and by the path in it.

    The job can write that file, too, or its image may have no `find`: what is no such line is left out.
    """
    modes: dict[str, dict[str, int]] = defaultdict(dict)
    try:
        body = UntrustedPath.at(outputs / MODES.name).read(_LARGEST)
    except FileNotFoundError:
        return modes
    except CommitError as error:
        click.echo(f"textgen: warning: {error}; files that not everybody could read are stored as readable")
        return modes
    for line in islice(_LINE.finditer(body), MOST_ENTRIES):
        mode, output, path = line.groups()
        modes[_decode(output)][_decode(path)] = int(mode, 8)
    return modes


def _decode(name: bytes) -> str:
    return name.decode("utf-8", "surrogateescape")
