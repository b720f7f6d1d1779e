"""The parts of Kubernetes objects and of Argo Workflows that are read here, as the API server sends them.

A field that is not Required may be missing: nobody has set it, or nobody has reported it yet.
"""

from typing import Required, TypedDict


class Metadata(TypedDict, total=False):
    name: Required[str]
    namespace: str
    uid: Required[str]
    creationTimestamp: Required[str]
    deletionTimestamp: str
    labels: dict[str, str]
    annotations: dict[str, str]


class Condition(TypedDict, total=False):
    type: Required[str]
    status: Required[str]
    reason: str
    message: str


class Event(TypedDict, total=False):
    reason: str
    message: str
    lastTimestamp: str
    eventTime: str


# A pod


class Resources(TypedDict, total=False):
    limits: dict[str, str]
    requests: dict[str, str]


class Container(TypedDict, total=False):
    name: Required[str]
    image: str
    resources: Resources
    restartPolicy: str


class ContainerWaiting(TypedDict, total=False):
    reason: str
    message: str


class ContainerTerminated(TypedDict, total=False):
    reason: str
    startedAt: str
    finishedAt: str


class ContainerState(TypedDict, total=False):
    """One of the three."""

    waiting: ContainerWaiting
    running: dict[str, str]
    terminated: ContainerTerminated


class ContainerStatus(TypedDict, total=False):
    name: Required[str]
    state: ContainerState


class PodSpec(TypedDict, total=False):
    nodeName: str
    initContainers: list[Container]
    containers: Required[list[Container]]


class PodStatus(TypedDict, total=False):
    phase: str
    conditions: list[Condition]
    initContainerStatuses: list[ContainerStatus]
    containerStatuses: list[ContainerStatus]


class Pod(TypedDict, total=False):
    metadata: Required[Metadata]
    spec: Required[PodSpec]
    status: PodStatus


# A node of the cluster


class Taint(TypedDict, total=False):
    key: Required[str]
    value: str
    effect: Required[str]


class Toleration(TypedDict, total=False):
    key: str
    operator: str
    value: str
    effect: str


class NodeSpec(TypedDict, total=False):
    unschedulable: bool
    taints: list[Taint]


class NodeStatus(TypedDict, total=False):
    allocatable: dict[str, str]


class Node(TypedDict, total=False):
    metadata: Required[Metadata]
    spec: Required[NodeSpec]
    status: NodeStatus


# A Workflow


class Parameter(TypedDict, total=False):
    name: Required[str]
    value: str


class Arguments(TypedDict, total=False):
    parameters: list[Parameter]


class SecretKeySelector(TypedDict):
    name: str
    key: str


class S3Location(TypedDict, total=False):
    """An object in a bucket, or the bucket of an artifact repository."""

    endpoint: str
    insecure: bool
    region: str
    bucket: str
    key: str
    accessKeySecret: SecretKeySelector
    secretKeySecret: SecretKeySelector


class Artifact(TypedDict, total=False):
    name: Required[str]
    s3: S3Location


class ArtifactRepository(TypedDict, total=False):
    s3: S3Location


class ArtifactRepositoryRef(TypedDict, total=False):
    artifactRepository: ArtifactRepository


class Outputs(TypedDict, total=False):
    parameters: list[Parameter]
    artifacts: list[Artifact]


class Sequence(TypedDict):
    count: str


class Task(TypedDict, total=False):
    """A task of a DAG, or a step."""

    name: Required[str]
    template: str
    depends: str
    dependencies: list[str]
    withSequence: Sequence


class Dag(TypedDict):
    tasks: list[Task]


class ContainerSet(TypedDict):
    containers: list[Container]


class TemplateMetadata(TypedDict, total=False):
    annotations: dict[str, str]


class Template(TypedDict, total=False):
    name: Required[str]
    metadata: TemplateMetadata
    dag: Dag
    steps: list[list[Task]]
    container: Container
    containerSet: ContainerSet
    initContainers: list[Container]
    nodeSelector: dict[str, str]
    tolerations: list[Toleration]


class WorkflowSpec(TypedDict, total=False):
    arguments: Arguments
    entrypoint: str
    archiveLogs: bool
    templates: list[Template]


class WorkflowNode(TypedDict, total=False):
    """What Argo reports of a part of a run: the whole run, a job (type Retry) or a pod (type Pod).

    progress: DONE/ALL.
    """

    id: Required[str]
    type: Required[str]
    name: str
    displayName: str
    progress: str
    phase: str
    boundaryID: str
    children: list[str]
    outboundNodes: list[str]
    message: str
    startedAt: str
    finishedAt: str
    outputs: Outputs


class WorkflowStatus(TypedDict, total=False):
    phase: str
    message: str
    startedAt: str
    finishedAt: str
    nodes: dict[str, WorkflowNode]
    compressedNodes: str
    offloadNodeStatusVersion: str
    conditions: list[Condition]
    storedWorkflowTemplateSpec: WorkflowSpec
    artifactRepositoryRef: ArtifactRepositoryRef


class Workflow(TypedDict, total=False):
    metadata: Required[Metadata]
    spec: Required[WorkflowSpec]
    status: WorkflowStatus
