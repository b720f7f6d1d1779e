"""Instance types: what `resources.instance-type` asks a cluster for (`instances.yaml`)."""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from typing import Any

from job.errors import InputError

_TABLE = Path(__file__).with_name("instances.yaml")
_KEYS = ("cpu", "memory", "gpus", "product", "node-selector", "tolerations", "aliases", "multiples")
_CPU = re.compile(r"\d+(\.\d+)?m?")
_MEMORY = re.compile(r"(\d+)(Mi|Gi|Ti)")
_GPU_NODE = {"nvidia.com/gpu.present": "true"}
_GPU_TAINT = ({"key": "nvidia.com/gpu", "operator": "Exists", "effect": "NoSchedule"},)


@dataclass(frozen=True, slots=True)
class InstanceType:
    """One row of the table. `cpu` and `memory` are Kubernetes quantities of a whole machine.

    `products` are values of the label nvidia.com/gpu.product to prefer; `node_selector` is what a
    node must have.
    """

    name: str
    cpu: str
    memory: str
    gpus: int
    products: tuple[str, ...]
    node_selector: Mapping[str, str]
    tolerations: tuple[Mapping[str, str], ...]


@dataclass(frozen=True, slots=True)
class Instances:
    """The whole table; `rows` by each name and alias as _plain writes it."""

    rows: Mapping[str, InstanceType]

    def find(self, name: str) -> InstanceType | None:
        """The type of that name or alias, in any case, with or without `Free-`."""
        return self.rows.get(_plain(name))

    def names(self) -> Iterable[str]:
        """Every type's own name, once."""
        return dict.fromkeys(row.name for row in self.rows.values())


@cache
def builtin() -> Instances:
    """The table of the package."""
    return Instances(_read(_TABLE))


def load(override: Path) -> Instances:
    """The package's table with the rows of `override` over it.

    Raises InputError, naming the row, where the file can't be read or a row is wrong.
    """
    return Instances({**builtin().rows, **_read(override)})


def _plain(name: str) -> str:
    name = name.casefold().removeprefix("free-")
    return re.sub(r"gb(?=x\d+$|$)", "g", name)


def _read(path: Path) -> dict[str, InstanceType]:
    from ruamel.yaml import YAML
    from ruamel.yaml.error import YAMLError

    try:
        table = YAML(typ="safe", pure=True).load(path)
    except (OSError, YAMLError, ValueError) as error:
        raise InputError(f"{path}: the table of instance types can't be read: {_first_line(error)}") from None
    if not isinstance(table, dict):
        raise InputError(f"{path}: must be a map from instance types to what they ask for")
    rows: dict[str, InstanceType] = {}
    for name, row in table.items():
        for each in _with_multiples(f"{path}: {name}", str(name), row):
            rows[_plain(each.name)] = each
        for alias in row.get("aliases", ()):
            rows[_plain(str(alias))] = rows[_plain(str(name))]
    return rows


def _with_multiples(where: str, name: str, row: Any) -> list[InstanceType]:
    if not isinstance(row, dict) or not {"cpu", "memory"} <= row.keys() or row.keys() - set(_KEYS):
        raise InputError(f"{where}: a row has cpu and memory, and may have {', '.join(_KEYS[2:])}")
    cpu, memory, gpus = str(row["cpu"]), _MEMORY.fullmatch(str(row["memory"])), row.get("gpus", 0)
    multiples, products = row.get("multiples", []), row.get("product", [])
    if not _CPU.fullmatch(cpu) or not memory or type(gpus) is not int:
        raise InputError(f"{where}: write cpu as 4 or 500m, memory as 8Gi, gpus as a number")
    if not all(isinstance(each, list) for each in (multiples, products, row.get("aliases", []))):
        raise InputError(f"{where}: product, aliases and multiples are lists")
    one = InstanceType(
        name=name,
        cpu=cpu,
        memory=memory.group(),
        gpus=gpus,
        products=tuple(str(product) for product in products),
        node_selector=row.get("node-selector", _GPU_NODE if gpus else {}),
        tolerations=tuple(row.get("tolerations", _GPU_TAINT if gpus else ())),
    )
    return [one, *(_times(one, int(number)) for number in multiples)]


def _times(one: InstanceType, number: int) -> InstanceType:
    amount, unit = _MEMORY.fullmatch(one.memory).groups()  # type: ignore[union-attr]
    return replace(
        one,
        name=f"{one.name}x{number}",
        cpu=f"{int(one.cpu) * number}",
        memory=f"{int(amount) * number}{unit}",
        gpus=one.gpus * number,
    )


def _first_line(error: Exception) -> str:
    return str(error).splitlines()[0]
