"""Clients for an S3 store: boto3's and obstore's, with the same credentials, endpoint and certificates."""

from collections.abc import Callable
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from job.datasets.s3_location import Location
from job.errors import StoreError

if TYPE_CHECKING:
    from obstore.store import ClientConfig, S3Config, S3Store

_ATTEMPTS = 5
_CONNECT, _READ = 10, 60  # seconds


class Clients:
    """Made when they are first used: a client of boto3 costs a fifth of a second.

    `bytes` is obstore's; `boto` repeats requests that fail, `once` never does. `answered` is called
    with the response of each of boto3's requests.
    """

    def __init__(self, location: Location, answered: Callable[..., None]) -> None:
        self._location = location
        self._answered = answered

    @cached_property
    def boto(self) -> Any:
        """boto3's client, which repeats requests that fail."""
        return self._client(_ATTEMPTS, self._addressing)

    @cached_property
    def once(self) -> Any:
        """boto3's client, which asks once."""
        return self._client(1, self._addressing)

    @cached_property
    def endpoint(self) -> str:
        """As the URL, the environment or the profile says, else AWS's own."""
        found: str = self._location.endpoint or self._client(1, "auto").meta.endpoint_url
        return found

    @cached_property
    def bytes(self) -> "S3Store":
        """obstore's client of the bucket."""
        from obstore.auth.boto3 import Boto3CredentialProvider
        from obstore.store import S3Store

        options: ClientConfig = {
            "allow_http": self.endpoint.startswith("http://"),
            "connect_timeout": f"{_CONNECT}s",
            "read_timeout": f"{_READ}s",
            "timeout": "1d",  # for a whole transfer
        }
        if certificates := self._session._session.get_config_variable("ca_bundle"):
            try:
                options["root_certificate"] = Path(certificates).read_bytes()
            except OSError as error:
                raise StoreError(f"AWS_CA_BUNDLE or ca_bundle: {certificates}: {error.strerror}") from error
        virtual = self._addressing == "virtual"
        config: S3Config = {"region": self._region, "virtual_hosted_style_request": virtual}
        if not self._is_amazon:
            scheme, _, host = self.endpoint.partition("://")
            config["endpoint"] = f"{scheme}://{self._location.bucket}.{host}" if virtual else self.endpoint
        return S3Store(
            self._location.bucket,
            config=config,
            credential_provider=Boto3CredentialProvider(self._session),
            client_options=options,
            retry_config={"max_retries": _ATTEMPTS - 1},
        )

    @property
    def _is_amazon(self) -> bool:
        return self.endpoint.endswith((".amazonaws.com", ".amazonaws.com.cn"))

    @property
    def _addressing(self) -> Literal["path", "virtual"]:
        return self._location.addressing or ("virtual" if self._is_amazon else "path")

    @property
    def _region(self) -> str:
        return self._session.region_name or "us-east-1"

    @cached_property
    def _session(self) -> Any:
        """Raises StoreError where there are no credentials."""
        import boto3
        from botocore.exceptions import BotoCoreError

        name = f"s3://{self._location.bucket}"
        try:
            session = boto3.Session(region_name=self._location.region)
            found = session.get_credentials()
        except BotoCoreError as error:
            raise StoreError(f"{name}: {error}") from error
        if found is None:
            raise StoreError(
                f"no credentials for {name}: set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or AWS_PROFILE"
            )
        return session

    def _client(self, attempts: int, addressing: Literal["auto", "path", "virtual"]) -> Any:
        from botocore.config import Config

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
        client = self._session.client(
            "s3", region_name=self._region, endpoint_url=self._location.endpoint, config=config
        )
        client.meta.events.register("after-call.s3", self._answered)
        return client
