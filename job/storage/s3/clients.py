"""Clients for an S3 store: obstore's and boto3's, with the same credentials, endpoint and certificates."""

import os
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from job.errors import StoreError
from job.storage.s3.location import Location

if TYPE_CHECKING:
    from obstore.auth.boto3 import Boto3CredentialProvider
    from obstore.store import ClientConfig, S3Config, S3Store

_ATTEMPTS = 5
_CONNECT, _READ = 10, 60  # seconds


class Clients:
    """Made when they are first used: to import boto3 and make its client costs 0.4 s.

    `bytes` repeats requests that fail, `once` never does; both are obstore's.
    """

    def __init__(self, location: Location) -> None:
        self._location = location

    @cached_property
    def bytes(self) -> "S3Store":
        """obstore's client of the bucket, which repeats requests that fail."""
        return self._store(_ATTEMPTS)

    @cached_property
    def once(self) -> "S3Store":
        """obstore's client of the bucket, which asks once."""
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
        """As the URL, the environment or the profile says, else AWS's own."""
        if self._location.endpoint:
            return self._location.endpoint
        found: str = self._session.client("s3", region_name=self._region).meta.endpoint_url
        return found

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
        config: S3Config = {**self._plain, "region": self._region, "virtual_hosted_style_request": virtual}
        if not self._is_amazon:
            scheme, _, host = self.endpoint.partition("://")
            config["endpoint"] = f"{scheme}://{self._location.bucket}.{host}" if virtual else self.endpoint
        return S3Store(
            self._location.bucket,
            config=config,
            credential_provider=None if self._plain else self._credentials(),
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
    def _plain(self) -> "S3Config":
        """Credentials where the URL and the environment say all; else empty.

        There is nothing to find out then, and boto3 need not be imported, which takes 0.4 s.
        """
        environment = os.environ
        files = (
            environment.get("AWS_CONFIG_FILE") or "~/.aws/config",
            environment.get("AWS_SHARED_CREDENTIALS_FILE") or "~/.aws/credentials",
        )
        key, secret = environment.get("AWS_ACCESS_KEY_ID"), environment.get("AWS_SECRET_ACCESS_KEY")
        others = {"AWS_PROFILE", "AWS_DEFAULT_PROFILE", "AWS_SECURITY_TOKEN", "AWS_CREDENTIAL_EXPIRATION"}
        if not (key and secret and self._location.endpoint) or others & environment.keys():
            return {}
        if any(Path(file).expanduser().is_file() for file in files):
            return {}
        token = environment.get("AWS_SESSION_TOKEN")
        said: S3Config = {"access_key_id": key, "secret_access_key": secret}
        return {**said, "session_token": token} if token else said

    def _credentials(self) -> "Boto3CredentialProvider":
        from obstore.auth.boto3 import Boto3CredentialProvider

        return Boto3CredentialProvider(self._session)

    @property
    def _certificates(self) -> str | None:
        if self._plain:
            return os.environ.get("AWS_CA_BUNDLE")
        found: str | None = self._session._session.get_config_variable("ca_bundle")
        return found

    @property
    def _region(self) -> str:
        said = self._location.region or os.environ.get("AWS_REGION")
        if not said and self._plain:
            said = os.environ.get("AWS_DEFAULT_REGION")
        elif not said:
            said = self._session.region_name
        return said or "us-east-1"

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
