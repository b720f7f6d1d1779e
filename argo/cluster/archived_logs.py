"""Logs that Argo has archived in the object store, of runs that earlier releases compiled."""

import base64
import os
from collections.abc import Iterator

from argo.cluster.api import Api, ApiError
from argo.cluster.log_lines import ExecutorLines, LogLine, parse_timestamp
from argo.cluster.namespace_store import ENDPOINT
from argo.cluster.objects import S3Location, SecretKeySelector, Workflow, WorkflowNode
from job.log_lines import read_lines

_TIMEOUT = 10  # seconds


def read_archived_log(api: Api, workflow: Workflow, job: str, node: WorkflowNode) -> Iterator[LogLine]:
    """The lines of one attempt, each with the time at which the attempt started.

    A log that can't be read is one line that says where it is.
    """
    started = node.get("startedAt")
    if not started:
        return
    for artifact in (node.get("outputs") or {}).get("artifacts") or ():
        if not artifact["name"].endswith("-logs"):
            continue
        location: S3Location = {**_artifact_repository(workflow), **(artifact.get("s3") or {})}
        try:
            body = _read_object(api, location)
        except _UnreadableError as error:
            body = (
                f"textgen: the pod is gone, and its log s3://{location.get('bucket')}/{location.get('key')} "
                f"can't be read from {location.get('endpoint')}: {error}; if only the cluster can reach it, "
                f"forward a port and set {ENDPOINT}"
            ).encode()
        executor = ExecutorLines()
        for line in read_lines([body]):
            if (text := executor.remove(line.text)) is not None:
                yield LogLine(parse_timestamp(started), job, text)


class _UnreadableError(Exception):
    """Why an archived log can't be read."""


def _read_object(api: Api, location: S3Location) -> bytes:
    import boto3
    from botocore.config import Config
    from botocore.exceptions import BotoCoreError, ClientError

    scheme = "http" if location.get("insecure") else "https"
    try:
        client = boto3.client(
            "s3",
            endpoint_url=os.environ.get(ENDPOINT) or f"{scheme}://{location['endpoint']}",
            region_name=location.get("region") or "us-east-1",
            aws_access_key_id=_read_secret(api, location.get("accessKeySecret")),
            aws_secret_access_key=_read_secret(api, location.get("secretKeySecret")),
            config=Config(
                connect_timeout=_TIMEOUT,
                read_timeout=_TIMEOUT,
                retries={"total_max_attempts": 2},
                s3={"addressing_style": "path"},
            ),
        )
        body: bytes = client.get_object(Bucket=location["bucket"], Key=location["key"])["Body"].read()
    except KeyError as error:
        raise _UnreadableError(f"the run's artifact repository has no {error.args[0]}") from error
    except (BotoCoreError, ClientError, ValueError) as error:
        raise _UnreadableError(" ".join(str(error).split())) from error
    return body


def _artifact_repository(workflow: Workflow) -> S3Location:
    reference = (workflow.get("status") or {}).get("artifactRepositoryRef") or {}
    return (reference.get("artifactRepository") or {}).get("s3") or {}


def _read_secret(api: Api, selector: SecretKeySelector | None) -> str | None:
    """A key of a Secret; None if it can't be read: then this machine's own credentials are used."""
    if not selector:
        return None
    try:
        secret = api.find(api.core_path("secrets", selector["name"]))
    except ApiError:
        return None
    value = ((secret or {}).get("data") or {}).get(selector["key"])
    return base64.b64decode(value).decode() if value else None
