"""Whether some node could hold each job if it were empty."""

from collections.abc import Iterator, Mapping
from decimal import Decimal

from argo.cluster.api import Api, Object
from argo.cluster.objects import Container, Node, Taint, Template, Toleration
from argo.cluster.preflight import Problem
from argo.kubernetes_names import JOB

Amounts = Mapping[str, Decimal]  # by resource: cpu, memory, nvidia.com/gpu


def check_nodes(api: Api, manifest: Object) -> Iterator[Problem]:
    """Each job that no node can take. Not certain, because an autoscaler may add a node."""
    nodes: list[Node] = api.list_items("/api/v1/nodes")
    schedulable = [node for node in nodes if not node["spec"].get("unschedulable")]
    templates: list[Template] = manifest["spec"].get("templates") or []
    for template in templates:
        if "dag" in template:
            continue
        job = (template.get("metadata", {}).get("annotations") or {}).get(JOB, template["name"])
        accepting = [node for node in schedulable if _accepts(node, template)]
        requests = _pod_requests(template)
        if any(_fits(node, requests) for node in accepting):
            continue
        requested = ", ".join(f"{_format_amount(name, amount)} {name}" for name, amount in requests.items())
        yield Problem(
            f"job {job!r} asks for {requested}, but {_describe_best_node(template, accepting, requests)}: it "
            "waits until such a node is added; choose another instance type, or a smaller `scale` in "
            "--cluster FILE",
            certain=False,
        )


def _describe_best_node(template: Template, accepting: list[Node], requests: Amounts) -> str:
    """What the nodes have instead."""
    selector = ",".join(f"{key}={value}" for key, value in (template.get("nodeSelector") or {}).items())
    labels = f" with {selector}" if selector else ""
    if not accepting:
        return f"there is no node{labels} that accepts it"
    most = {name: max(_allocatable(node).get(name, Decimal(0)) for node in accepting) for name in requests}
    short = [name for name, amount in requests.items() if amount > most[name]] or list(requests)
    amounts = ", ".join(f"{_format_amount(name, most[name])} {name}" for name in short)
    return f"no node{labels} has more than {amounts}"


def _accepts(node: Node, template: Template) -> bool:
    """Whether the node has the selected labels, and all of its taints are tolerated."""
    labels = node["metadata"].get("labels") or {}
    if not (template.get("nodeSelector") or {}).items() <= labels.items():
        return False
    taints = [each for each in node["spec"].get("taints") or () if each["effect"] != "PreferNoSchedule"]
    tolerations = template.get("tolerations") or []
    return all(any(_tolerates(each, taint) for each in tolerations) for taint in taints)


def _tolerates(toleration: Toleration, taint: Taint) -> bool:
    if toleration.get("effect") not in {None, "", taint["effect"]}:
        return False
    if toleration.get("operator") == "Exists":
        return toleration.get("key") in {None, "", taint["key"]}
    return toleration.get("key") == taint["key"] and toleration.get("value", "") == taint.get("value", "")


def _fits(node: Node, requests: Amounts) -> bool:
    allocatable = _allocatable(node)
    return all(allocatable.get(name, Decimal(0)) >= amount for name, amount in requests.items())


def _allocatable(node: Node) -> Amounts:
    return _parse_amounts((node.get("status") or {}).get("allocatable") or {})


def _pod_requests(template: Template) -> Amounts:
    """The scheduler's sum: all containers together, or the largest init container if that is more.

    An init container that keeps running, a sidecar, counts with the containers and later init containers.
    """
    container = template.get("container")
    container_set = template.get("containerSet")
    containers = [container] if container else container_set["containers"] if container_set else []
    total: dict[str, Decimal] = {}
    for each in containers:
        for name, amount in _container_requests(each).items():
            total[name] = total.get(name, Decimal(0)) + amount
    sidecars: dict[str, Decimal] = {}
    largest: dict[str, Decimal] = {}
    for each in template.get("initContainers") or ():
        for name, amount in _container_requests(each).items():
            needed = sidecars.get(name, Decimal(0)) + amount
            largest[name] = max(largest.get(name, Decimal(0)), needed)
            if each.get("restartPolicy") == "Always":
                sidecars[name] = needed
    for name, amount in sidecars.items():
        total[name] = total.get(name, Decimal(0)) + amount
    for name, amount in largest.items():
        total[name] = max(total.get(name, Decimal(0)), amount)
    return total


def _container_requests(container: Container) -> Amounts:
    """Its requests. A limit without a request counts as one."""
    resources = container.get("resources") or {}
    return _parse_amounts({**(resources.get("limits") or {}), **(resources.get("requests") or {})})


def _parse_amounts(quantities: Mapping[str, str]) -> Amounts:
    from kubernetes.utils.quantity import parse_quantity

    return {name: parse_quantity(quantity) for name, quantity in quantities.items()}


def _format_amount(name: str, amount: Decimal) -> str:
    """An amount for people: 0.8, 2 or 6.5Gi."""
    if name != "memory":
        return f"{amount.normalize():f}"
    return f"{amount / 2**30:.1f}Gi" if amount >= 2**30 else f"{amount / 2**20:.0f}Mi"
