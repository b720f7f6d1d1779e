"""Whether some node could hold each job, were it empty."""

from collections.abc import Iterator, Mapping
from decimal import Decimal
from typing import Any

from argo.cluster.api import Api, Object
from argo.cluster.preflight import Problem
from argo.object_names import JOB

Amounts = Mapping[str, Decimal]


def check_nodes(api: Api, made: Object) -> Iterator[Problem]:
    """Each job that no node can take. Not certain: a cluster may grow one."""
    nodes = [node for node in api.list_items("/api/v1/nodes") if not node["spec"].get("unschedulable")]
    for template in made["spec"].get("templates") or ():
        if "dag" in template:
            continue
        job = ((template.get("metadata") or {}).get("annotations") or {}).get(JOB, template["name"])
        fitting = [node for node in nodes if _takes(node, template)]
        asked = _asked(template)
        if any(_holds(node, asked) for node in fitting):
            continue
        wanted = ", ".join(f"{_written(name, amount)} {name}" for name, amount in asked.items())
        yield Problem(
            f"job {job!r} asks for {wanted}, and {_best(template, fitting, asked)}: it waits until there is "
            "one; another instance type may do, or a smaller `scale` in --cluster FILE",
            certain=False,
        )


def _best(template: Mapping[str, Any], fitting: list[Object], asked: Amounts) -> str:
    """What the nodes have instead."""
    selector = ",".join(f"{key}={value}" for key, value in (template.get("nodeSelector") or {}).items())
    which = f" with {selector}" if selector else ""
    if not fitting:
        return f"there is no node{which} that takes it"
    most = {name: max(_has(node).get(name, Decimal(0)) for node in fitting) for name in asked}
    short = [name for name, amount in asked.items() if amount > most[name]] or list(asked)
    return f"no node{which} has more than " + ", ".join(f"{_written(n, most[n])} {n}" for n in short)


def _takes(node: Object, template: Mapping[str, Any]) -> bool:
    """Whether the labels are the wanted ones and the taints are tolerated."""
    labels = node["metadata"].get("labels") or {}
    if not (template.get("nodeSelector") or {}).items() <= labels.items():
        return False
    taints = [each for each in node["spec"].get("taints") or () if each["effect"] != "PreferNoSchedule"]
    tolerations = template.get("tolerations") or ()
    return all(any(_tolerates(each, taint) for each in tolerations) for taint in taints)


def _tolerates(toleration: Mapping[str, str], taint: Mapping[str, str]) -> bool:
    if toleration.get("effect") not in {None, "", taint["effect"]}:
        return False
    if toleration.get("operator") == "Exists":
        return toleration.get("key") in {None, "", taint["key"]}
    return toleration.get("key") == taint["key"] and toleration.get("value", "") == taint.get("value", "")


def _holds(node: Object, asked: Amounts) -> bool:
    has = _has(node)
    return all(has.get(name, Decimal(0)) >= amount for name, amount in asked.items())


def _has(node: Object) -> Amounts:
    return _amounts((node.get("status") or {}).get("allocatable") or {})


def _asked(template: Mapping[str, Any]) -> Amounts:
    """What the scheduler adds up: the containers together, or the largest that runs before them."""
    container = template.get("container")
    containers = [container] if container else (template.get("containerSet") or {}).get("containers") or []
    total: dict[str, Decimal] = {}
    for each in containers:
        for name, amount in _requests(each).items():
            total[name] = total.get(name, Decimal(0)) + amount
    for each in template.get("initContainers") or ():
        for name, amount in _requests(each).items():
            total[name] = max(total.get(name, Decimal(0)), amount)
    return total


def _requests(container: Mapping[str, Any]) -> Amounts:
    """Its requests; a limit stands for a request that is not there."""
    resources = container.get("resources") or {}
    return _amounts({**(resources.get("limits") or {}), **(resources.get("requests") or {})})


def _amounts(given: Mapping[str, Any]) -> Amounts:
    from kubernetes.utils.quantity import parse_quantity

    return {name: parse_quantity(amount) for name, amount in given.items()}


def _written(name: str, amount: Decimal) -> str:
    """An amount as people write it: 0.8, 2 or 6.5Gi."""
    if name != "memory":
        return f"{amount.normalize():f}"
    return f"{amount / 2**30:.1f}Gi" if amount >= 2**30 else f"{amount / 2**20:.0f}Mi"
