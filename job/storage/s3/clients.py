"""Clients for an S3 store: obstore's and boto3's, with the same credentials, endpoint and certificates."""

import os
from collections.abc import Callable
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from job.errors import StoreError
from job.storage.s3.location import Credentials, Location

if TYPE_CHECKING:
    from obstore.store import ClientConfig, S3Config, S3Credential, S3Store

_ATTEMPTS = 5
_CONNECT, _READ = 10, 60  # seconds
_KEY = ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY")
# each means that boto3 has more to look up than a key
_NEEDS_SESSION = {"AWS_PROFILE", "AWS_DEFAULT_PROFILE", "AWS_SECURITY_TOKEN", "AWS_CREDENTIAL_EXPIRATION"}


class Clients:
    """Each client is made when it is first used: to import boto3 and make its client takes 0.4 s."""

    def __init__(self, location: Location, credentials: Credentials | None = None) -> None:
        self._location = location
        self._credentials = credentials

    @cached_property
    def retrying(self) -> "S3Store":
        """obstore's client of the bucket; it repeats requests that fail."""
        return self._store(_ATTEMPTS)

    @cached_property
    def once(self) -> "S3Store":
        """obstore's client of the bucket; it sends each request once."""
        return self._store(1)

    @cached_property
    def boto(self) -> Any:
        """boto3's client, for what obstore can't do."""
        from botocore.config import Config

        config = Config(
            connect_timeout=_CONNECT,
            read_timeout=_READ,
            retries={"mode": "standard", "total_max_attempts": _ATTEMPTS},
            max_pool_connections=32,
            s3={"addressing_style": self._addressing},
            # what stores other than AWS's understand, too
            request_checksum_calculation="when_required",
            response_checksum_validation="when_required",
        )
        return self._session.client(
            "s3", region_name=self._region, endpoint_url=self._location.endpoint, config=config
        )

    @cached_property
    def endpoint(self) -> str:
        """The endpoint of the URL, the environment or the profile, else AWS's own."""
        if self._location.endpoint:
            return self._location.endpoint
        url: str = self._session.client("s3", region_name=self._region).meta.endpoint_url
        return url

    def _store(self, attempts: int) -> "S3Store":
        from obstore.store import S3Store

        options: ClientConfig = {
            "allow_http": self.endpoint.startswith("http://"),
            "connect_timeout": f"{_CONNECT}s",
            "read_timeout": f"{_READ}s",
            "timeout": "1d",  # for a whole transfer
        }
        if certificates := self._certificates:
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
            credential_provider=self._credential_provider(),
            client_options=options,
            retry_config={"max_retries": attempts - 1},
        )

    @property
    def _is_amazon(self) -> bool:
        return self.endpoint.endswith((".amazonaws.com", ".amazonaws.com.cn"))

    @property
    def _addressing(self) -> Literal["path", "virtual"]:
        return self._location.addressing or ("virtual" if self._is_amazon else "path")

    @cached_property
    def _needs_session(self) -> bool:
        """Whether boto3 must look something up, because the URL and the environment do not say everything."""
        environment = os.environ
        files = (
            environment.get("AWS_CONFIG_FILE") or "~/.aws/config",
            environment.get("AWS_SHARED_CREDENTIALS_FILE") or "~/.aws/credentials",
        )
        credentials = self._credentials or all(environment.get(name) for name in _KEY)
        return (
            not (credentials and self._location.endpoint)
            or bool(_NEEDS_SESSION & environment.keys())
            or any(Path(file).expanduser().is_file() for file in files)
        )

    def _credential_provider(self) -> "Callable[[], S3Credential] | None":
        if credentials := self._credentials:
            # not as configuration: obstore would add the session token of the environment
            return lambda: {
                "access_key_id": credentials.access_key_id,
                "secret_access_key": credentials.secret_access_key,
                "token": None,
                "expires_at": None,
            }
        if not self._needs_session:
            return None  # obstore reads the environment itself
        from obstore.auth.boto3 import Boto3CredentialProvider

        return Boto3CredentialProvider(self._session)

    @property
    def _certificates(self) -> str | None:
        if not self._needs_session:
            return os.environ.get("AWS_CA_BUNDLE")
        path: str | None = self._session._session.get_config_variable("ca_bundle")
        return path

    @property
    def _region(self) -> str:
        region = self._location.region or os.environ.get("AWS_REGION")
        if not region and self._needs_session:
            region = self._session.region_name
        return region or os.environ.get("AWS_DEFAULT_REGION") or "us-east-1"

    @cached_property
    def _session(self) -> Any:
        """Raises StoreError if there are no credentials."""
        import boto3
        from botocore.exceptions import BotoCoreError

        name = f"s3://{self._location.bucket}"
        pair = self._credentials
        key, secret = (pair.access_key_id, pair.secret_access_key) if pair else (None, None)
        try:
            session = boto3.Session(key, secret, region_name=self._location.region)
            has_credentials = session.get_credentials() is not None
        except BotoCoreError as error:
            raise StoreError(f"{name}: {error}") from error
        if not has_credentials:
            raise StoreError(
                f"no credentials for {name}: set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or AWS_PROFILE"
            )
        return session
