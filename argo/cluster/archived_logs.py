"""Logs that Argo has stored with a run, for when its pods are gone."""

import base64
import os
from collections.abc import Iterator, Mapping
from itertools import filterfalse
from typing import Any

from argo.cluster.api import Api, ApiError, Object
from argo.cluster.container_logs import EXECUTOR_LINE, LogLine, parse_timestamp

_ENDPOINT = "AWS_ENDPOINT_URL_S3"
_TIMEOUT = 10  # seconds


def read_archived_log(api: Api, workflow: Object, job: str, node: Mapping[str, Any]) -> Iterator[LogLine]:
    """The lines of one attempt, each with the time at which the attempt started.

    A log that can't be read is one line that says where it is.
    """
    if not node.get("startedAt"):
        return
    at = parse_timestamp(node["startedAt"])
    for artifact in (node.get("outputs") or {}).get("artifacts") or ():
        if not artifact["name"].endswith("-logs"):
            continue
        place = {**_repository(workflow), **(artifact.get("s3") or {})}
        try:
            text = _read(api, place)
        except _UnreadableError as error:
            text = (
                f"textgen: the pod is gone, and its log s3://{place.get('bucket')}/{place.get('key')} "
                f"can't be read at {place.get('endpoint')}: {error}; if only the cluster reaches that, "
                f"forward a port and set {_ENDPOINT}"
            )
        for line in filterfalse(EXECUTOR_LINE.fullmatch, text.splitlines()):
            yield LogLine(at, job, line)


class _UnreadableError(Exception):
    """Why a stored log could not be had."""


def _read(api: Api, place: Mapping[str, Any]) -> str:
    import boto3
    from botocore.config import Config
    from botocore.exceptions import BotoCoreError, ClientError

    scheme = "http" if place.get("insecure") else "https"
    try:
        client = boto3.client(
            "s3",
            endpoint_url=os.environ.get(_ENDPOINT) or f"{scheme}://{place['endpoint']}",
            region_name=place.get("region") or "us-east-1",
            aws_access_key_id=_secret(api, place.get("accessKeySecret")),
            aws_secret_access_key=_secret(api, place.get("secretKeySecret")),
            config=Config(
                connect_timeout=_TIMEOUT,
                read_timeout=_TIMEOUT,
                retries={"total_max_attempts": 2},
                s3={"addressing_style": "path"},
            ),
        )
        body: bytes = client.get_object(Bucket=place["bucket"], Key=place["key"])["Body"].read()
    except KeyError as error:
        raise _UnreadableError(f"the run does not say its {error.args[0]}") from error
    except (BotoCoreError, ClientError, ValueError) as error:
        raise _UnreadableError(" ".join(str(error).split())) from error
    return body.decode("utf-8", "replace")


def _repository(workflow: Object) -> Mapping[str, Any]:
    reference = (workflow.get("status") or {}).get("artifactRepositoryRef") or {}
    found: Mapping[str, Any] = (reference.get("artifactRepository") or {}).get("s3") or {}
    return found


def _secret(api: Api, selector: Mapping[str, str] | None) -> str | None:
    """A key of a Secret; None where it can't be read, so that this machine's own credentials are used."""
    if not selector:
        return None
    try:
        found = api.find(api.core_path("secrets", selector["name"]))
    except ApiError:
        return None
    value = ((found or {}).get("data") or {}).get(selector["key"])
    return base64.b64decode(value).decode() if value else None
