"""The store of a namespace, opened from here with the credentials that its pods use."""

import base64
import os
from urllib.parse import urlencode, urlsplit

from argo.cluster.api import Api, ApiError
from argo.kubernetes_names import STORE
from job.datasets import Credentials, Datasets

ENDPOINT = "AWS_ENDPOINT_URL_S3"
_CREDENTIALS = ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY")


def read_url(api: Api) -> str:
    """The URL of the namespace's store; empty if its ConfigMap names none. Raises ApiError."""
    data = (api.find(api.core_path("configmaps", STORE)) or {}).get("data") or {}
    return str(data.get("url") or "")


def read_credentials(api: Api) -> Credentials | None:
    """The credentials that the run's pods use; None if they are not in the Secret, or it can't be read."""
    try:
        data = (api.find(api.core_path("secrets", STORE)) or {}).get("data") or {}
    except ApiError as error:
        if error.status != 403:
            raise
        return None
    if not data.keys() >= set(_CREDENTIALS):
        return None
    return Credentials(*(base64.b64decode(data[name]).decode() for name in _CREDENTIALS))


def open_datasets(api: Api, url: str) -> Datasets:
    """The store at the URL; AWS_ENDPOINT_URL_S3 wins over an endpoint that only the cluster can reach.

    Raises ApiError and InputError.
    """
    parts = urlsplit(url)
    if endpoint := os.environ.get(ENDPOINT):
        options = [option for option in parts.query.split("&") if option.partition("=")[0] != "endpoint"]
        query = "&".join([*filter(None, options), urlencode({"endpoint": endpoint})])
        url = parts._replace(query=query).geturl()
    return Datasets.at(url, read_credentials(api))
