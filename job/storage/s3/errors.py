"""Turn what an S3 store answered into one line for the user."""

import re
from collections.abc import Iterator
from contextlib import contextmanager

from job.errors import StoreError
from job.storage.store import KeyAbsentError, UnavailableError

_CODE = re.compile(r"<Code>([^<]*)</Code>")
_HOST = re.compile(r"https?://[^/\s]+")
_STATUS = re.compile(r"status code: (\d{3})")
_FOREIGN_KEY = re.compile(r"invalid path: (.*)")

_CREDENTIALS = "the store does not take these credentials; check AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY"
_FULL = "the store is full; free some space and try again"
_BUSY = "the store can't take requests just now; try again later"
_MESSAGES = {
    "NoSuchBucket": "there is no such bucket; create it, or correct the store's URL",
    "InvalidAccessKeyId": _CREDENTIALS,
    "SignatureDoesNotMatch": _CREDENTIALS,
    "InvalidToken": _CREDENTIALS,
    "ExpiredToken": "the credentials have expired; get new ones",
    "AccessDenied": "the credentials lack a right that is needed (list, get, put or delete objects)",
    "403": "the credentials lack a right that is needed (list, get, put or delete objects)",
    "InvalidRange": "an object is damaged: shorter than it was when it was committed",
    "RequestTimeTooSkewed": "this machine's clock is too far from the store's; set it and try again",
    "NoSuchUpload": "the upload was removed meanwhile, as gc does with old ones; try again",
    "QuotaExceeded": _FULL,
    "XMinioStorageFull": _FULL,
    "507": _FULL,
    "SlowDown": _BUSY,
    "ServiceUnavailable": _BUSY,
    "XMinioServerNotInitialized": _BUSY,
    "503": _BUSY,
}
_ABSENT = {"NoSuchKey", "404", ""}
_TEMPORARY = {429, 500, 502, 503, 504}


@contextmanager
def translate_errors(name: str, key: str = "") -> Iterator[None]:
    """Turn what boto3 and obstore raise into StoreError; `name` is the store's URL.

    A missing `key` is KeyAbsentError, and what may work later UnavailableError. Errors of local files pass
    through.
    """
    from botocore.exceptions import BotoCoreError, ClientError, ConnectionError, HTTPClientError, SSLError
    from obstore.exceptions import BaseError

    try:
        yield
    except ClientError as error:
        answer = error.response["Error"]
        number = error.response["ResponseMetadata"].get("HTTPStatusCode", 0)
        raise _error(name, key, number, answer.get("Code", ""), answer.get("Message", "")) from error
    except BotoCoreError as error:
        temporary = isinstance(error, ConnectionError | HTTPClientError) and not isinstance(error, SSLError)
        kind = UnavailableError if temporary else StoreError
        raise kind(f"{name}: can't be reached: {_first_line(error)}") from error
    except BaseError as error:
        code, status = _CODE.search(str(error)), http_status(error)
        if status is None:
            if foreign := _FOREIGN_KEY.search(str(error)):
                raise StoreError(
                    f"{name}: a key there is not textgen's, and can't be listed: {foreign[1]}"
                ) from error
            host = _HOST.search(str(error))
            reason = _first_line(error).rpartition(" - ")[2]
            at = f" at {host[0]}" if host else ""
            # the client reports an untrusted certificate like any other failure
            tls = ", and AWS_CA_BUNDLE, if its certificate is your own" if at.startswith(" at https") else ""
            raise UnavailableError(
                f"{name}: can't be reached{at}: {reason}; is the endpoint right{tls}?"
            ) from error
        raise _error(name, key, status, code[1] if code else str(status), _first_line(error)) from error
    except FileNotFoundError as error:
        if error.filename is not None:  # a local file
            raise
        code = _CODE.search(str(error))
        raise _error(name, key, 404, code[1] if code else "", _first_line(error)) from error
    except Exception as error:
        from boto3.exceptions import RetriesExceededError  # slow, and raised by boto3's downloads alone

        if not isinstance(error, RetriesExceededError):
            raise
        last = error.last_exception  # type: ignore[attr-defined]
        raise UnavailableError(f"{name}: can't be reached: {_first_line(last)}") from error


def http_status(error: Exception) -> int | None:
    """The HTTP status in an error of obstore; None if there was no answer."""
    match = _STATUS.search(str(error))
    return int(match[1]) if match else None


def _error(name: str, key: str, status: int, code: str, message: str) -> StoreError:
    if key and code in _ABSENT:
        return KeyAbsentError(f"{key}: not in the store")
    kind = UnavailableError if status in _TEMPORARY else StoreError
    return kind(f"{name}: {_MESSAGES.get(code) or f'{code}: {message}'}")


def _first_line(error: Exception) -> str:
    return str(error).partition("\n")[0].partition(": <?xml")[0]
