"""Instance types: what `resources.instance-type` asks a cluster for (`instances.yaml`)."""

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from typing import Any

from argo.yaml_file import read_yaml_mapping
from job.errors import InputError

_TABLE = Path(__file__).with_name("instances.yaml")
_CPU = re.compile(r"(?=.*[1-9])(\d+(\.\d+)?|\d+m)", re.ASCII)
_MEMORY = re.compile(r"(?=.*[1-9])(\d+)(Mi|Gi|Ti)", re.ASCII)
_TOLERATION = {"key", "operator", "value", "effect"}
_GPU_NODE = {"nvidia.com/gpu.present": "true"}
_GPU_TAINT = [{"key": "nvidia.com/gpu", "operator": "Exists", "effect": "NoSchedule"}]


def _is_list_of(type_: type, value: Any) -> bool:
    return isinstance(value, list) and all(type(item) is type_ for item in value)


def _is_string_mapping(value: Any) -> bool:
    return isinstance(value, dict) and all(isinstance(part, str) for pair in value.items() for part in pair)


# Each key of a row: whether a value is valid, and what to write.
_KEYS: dict[str, tuple[Callable[[Any], bool], str]] = {
    "cpu": (lambda value: bool(_CPU.fullmatch(str(value))), "a quantity such as 4, 0.5 or 500m"),
    "memory": (lambda value: bool(_MEMORY.fullmatch(str(value))), "a quantity such as 8Gi"),
    "gpus": (lambda value: type(value) is int and value >= 0, "a number"),
    "product": (lambda value: _is_list_of(str, value), "a list of strings"),
    "node-selector": (_is_string_mapping, "a mapping of strings"),
    "tolerations": (
        lambda value: (
            _is_list_of(dict, value)
            and all(_is_string_mapping(each) and each.keys() <= _TOLERATION for each in value)
        ),
        f"a list of mappings of {', '.join(sorted(_TOLERATION))}",
    ),
    "aliases": (lambda value: _is_list_of(str, value), "a list of strings"),
    "multiples": (
        lambda value: _is_list_of(int, value) and all(each > 0 for each in value),
        "a list of numbers over 0",
    ),
}


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
    """The whole table; `rows` by each normalized name and alias."""

    rows: Mapping[str, InstanceType]

    def find(self, name: str) -> InstanceType | None:
        """The type of that name or alias, in any case, with or without `Free-`."""
        return self.rows.get(_normalize(name))

    def names(self) -> Iterable[str]:
        """The name of every type, without aliases."""
        return dict.fromkeys(row.name for row in self.rows.values())


@cache
def builtin_instances() -> Instances:
    """The package's own table."""
    return _build(_read(_TABLE))


def load_instances(override: Path) -> Instances:
    """The package's table, overridden key by key by the table in the file `override`.

    Raises InputError, naming the row, if the file can't be read or a row is wrong.
    """
    table = _read(_TABLE)
    names = {_normalize(name): name for name in table}
    for name, row in _read(override).items():
        table_name = names.get(_normalize(name), name)
        table[table_name] = table.get(table_name, {}) | row
        if not {"cpu", "memory"} <= table[table_name].keys():
            raise InputError(f"{override}: {name}: a new type needs cpu and memory")
    return _build(table)


def _normalize(name: str) -> str:
    name = name.casefold().removeprefix("free-")
    return re.sub(r"gb(?=x\d+$|$)", "g", name)


def _read(path: Path) -> dict[str, dict[str, Any]]:
    """The rows of a table, each key's value checked."""
    table = read_yaml_mapping(path)
    for name, row in table.items():
        if not isinstance(row, dict):
            raise InputError(f"{path}: {name}: must be a mapping with the keys {', '.join(_KEYS)}")
        for key, value in row.items():
            is_valid, hint = _KEYS.get(key, (None, ""))
            if is_valid is None:
                raise InputError(f"{path}: {name}: no such key: {key!r}; the keys are {', '.join(_KEYS)}")
            if not is_valid(value):
                raise InputError(f"{path}: {name}: {key} must be {hint}, not {value!r}")
    return table


def _build(table: Mapping[str, Mapping[str, Any]]) -> Instances:
    rows: dict[str, InstanceType] = {}
    for name, row in table.items():
        gpus = row.get("gpus", 0)
        instance = InstanceType(
            name=name,
            cpu=str(row["cpu"]),
            memory=row["memory"],
            gpus=gpus,
            products=tuple(row.get("product", ())),
            node_selector=row.get("node-selector", _GPU_NODE if gpus else {}),
            tolerations=tuple(row.get("tolerations", _GPU_TAINT if gpus else ())),
        )
        for alias in (name, *row.get("aliases", ())):
            rows[_normalize(alias)] = instance
            for number in row.get("multiples", ()):
                rows[_normalize(f"{alias}x{number}")] = _multiply(instance, number)
    return Instances(rows)


def _multiply(instance: InstanceType, number: int) -> InstanceType:
    cpu = re.findall(r"[\d.]+|[A-Za-z]+", instance.cpu)
    memory = re.findall(r"\d+|[A-Za-z]+", instance.memory)
    return replace(
        instance,
        name=f"{instance.name}x{number}",
        cpu="".join([f"{float(cpu[0]) * number:g}", *cpu[1:]]),
        memory=f"{int(memory[0]) * number}{memory[1]}",
        gpus=instance.gpus * number,
    )
