"""Clients for an S3 store: boto3's and obstore's, with the same credentials, endpoint and certificates."""

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from job.datasets.s3_location import Location
from job.errors import StoreError

if TYPE_CHECKING:
    from obstore.store import ClientConfig, S3Config

_RETRIES = 5
_CONNECT, _READ = 10, 60  # seconds


@dataclass(frozen=True, slots=True)
class Clients:
    """boto3 decides (conditions, clocks, uploads), obstore moves bytes.

    `once` never repeats a request by itself.
    """

    boto: Any
    once: Any
    bytes: Any
    endpoint: str


def connect(location: Location) -> Clients:
    """Clients with the same credentials, endpoint and certificates. Sends nothing yet.

    Raises StoreError where there are no credentials.
    """
    import boto3
    from botocore.config import Config
    from botocore.exceptions import BotoCoreError
    from obstore.auth.boto3 import Boto3CredentialProvider
    from obstore.store import S3Store

    try:
        session = boto3.Session(region_name=location.region)
        if session.get_credentials() is None:
            raise StoreError(
                f"no credentials for s3://{location.bucket}: set AWS_ACCESS_KEY_ID and "
                "AWS_SECRET_ACCESS_KEY, or AWS_PROFILE"
            )
        region = session.region_name or "us-east-1"

        def client(attempts: int, addressing: Literal["auto", "path", "virtual"]) -> Any:
            config = Config(
                connect_timeout=_CONNECT,
                read_timeout=_READ,
                retries={"mode": "standard", "total_max_attempts": attempts},
                max_pool_connections=32,
                s3={"addressing_style": addressing},
                # what stores other than AWS's understand, too
                request_checksum_calculation="when_required",
                response_checksum_validation="when_required",
            )
            return session.client("s3", region_name=region, endpoint_url=location.endpoint, config=config)

        boto = client(_RETRIES, location.addressing or ("path" if location.endpoint else "auto"))
        endpoint = boto.meta.endpoint_url
        own = not endpoint.endswith((".amazonaws.com", ".amazonaws.com.cn"))
        addressing = location.addressing or ("path" if own else "virtual")
        if own and not location.endpoint:  # it is from the environment or the profile
            boto = client(_RETRIES, addressing)
        certificates = session._session.get_config_variable("ca_bundle")
    except BotoCoreError as error:
        raise StoreError(f"s3://{location.bucket}: {error}") from error

    options: ClientConfig = {
        "allow_http": endpoint.startswith("http://"),
        "connect_timeout": f"{_CONNECT}s",
        "read_timeout": f"{_READ}s",
        "timeout": "1d",  # for a whole transfer
    }
    if certificates:
        options["root_certificate"] = Path(certificates).read_bytes()
    where: S3Config = {"region": region, "virtual_hosted_style_request": addressing == "virtual"}
    if own:
        where["endpoint"] = endpoint if addressing == "path" else _with_bucket(endpoint, location.bucket)
    store = S3Store(
        location.bucket,
        config=where,
        credential_provider=Boto3CredentialProvider(session),
        client_options=options,
        retry_config={"max_retries": _RETRIES - 1},
    )
    return Clients(boto, client(1, addressing), store, endpoint)


def _with_bucket(endpoint: str, bucket: str) -> str:
    """obstore takes a virtual-hosted endpoint with the bucket's name in it."""
    scheme, _, host = endpoint.partition("://")
    return f"{scheme}://{bucket}.{host}"
