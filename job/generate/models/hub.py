"""Models on the Hugging Face hub, as folders of the hub's own cache."""

import errno
import glob
import json
import os
from collections.abc import Iterator
from pathlib import Path

from job.errors import ModelError, TextgenError
from job.generate.models.checkpoint import ADAPTER_CONFIG, CONFIG, check_folder, select_files
from job.generate.models.library_errors import first_line

_TIMEOUT_SECONDS = 10.0
_DISK_ERRORS = {errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EACCES, errno.EPERM, errno.EIO}
_ANSWERS = {
    401: "the hub refuses the token (401): set HF_TOKEN to a valid one, or to none",
    403: "the hub refuses (403): the token of HF_TOKEN may not read it",
    429: "the hub asks to wait (429): try again later, or set HF_TOKEN for a higher limit",
}


def fetch(name: str, revision: str = "") -> Path:
    """The snapshot folder of the model `name`; the folder's own name is the commit.

    Downloads what is missing. If the hub does not answer as it should, the cache's snapshot is taken.
    Raises ModelError if there is no such model or revision, if it is not allowed, or if the hub
    does not answer and the cache does not hold the model; TextgenError if the disk refuses.
    """
    from huggingface_hub.constants import HF_HUB_CACHE
    from huggingface_hub.errors import (
        GatedRepoError,
        HFValidationError,
        RepositoryNotFoundError,
        RevisionNotFoundError,
    )

    branch = revision or "main"
    try:
        return _download(name, branch)
    except ModelError:
        raise
    except HFValidationError:
        raise ModelError(f"model {name!r}: no such folder or file, and not a name on the hub") from None
    except GatedRepoError:
        raise ModelError(f"model {name!r}: accept its terms on the hub and set HF_TOKEN") from None
    except RevisionNotFoundError:
        raise ModelError(f"model {name!r}: the hub has no revision {branch!r} of it") from None
    except RepositoryNotFoundError:
        raise ModelError(f"model {name!r}: not on the hub, or private: then set HF_TOKEN") from None
    except Exception as error:  # the library raises what it likes
        if full := _disk_error(error):
            raise TextgenError(f"model {name!r}: can't be downloaded to {HF_HUB_CACHE}: {full}") from None
        reason = _describe(error)
    folder = _find_cached(name, branch)
    if folder is None:
        raise ModelError(
            f"model {name!r}: {reason}; the cache does not hold it; --model smollm2-135m needs no hub"
        )
    try:
        check_folder(name, folder)
    except ModelError as error:
        raise ModelError(f"{error}: it is in the cache in part, and {reason}") from None
    return folder


def _download(name: str, branch: str) -> Path:
    from huggingface_hub import HfApi, hf_hub_download, snapshot_download

    # One request with a short timeout: the downloads retry for half a minute a file.
    info = HfApi().model_info(name, revision=branch, timeout=_TIMEOUT_SECONDS)

    def read(file: str) -> bytes:
        return Path(hf_hub_download(name, file, revision=branch)).read_bytes()

    files = select_files(name, [file.rfilename for file in info.siblings or ()], read)
    patterns = [glob.escape(file) for file in files]
    folder = Path(snapshot_download(name, revision=branch, allow_patterns=patterns))
    check_folder(name, folder)
    return folder


def _find_cached(name: str, branch: str) -> Path | None:
    from huggingface_hub import try_to_load_from_cache

    paths = (try_to_load_from_cache(name, file, revision=branch) for file in (CONFIG, ADAPTER_CONFIG))
    return next((Path(path).parent for path in paths if isinstance(path, str)), None)


def _causes(error: BaseException | None) -> Iterator[BaseException]:
    """The error and what caused it: the library tells some failures as "not in the cache"."""
    while error is not None:
        yield error
        error = error.__cause__


def _disk_error(error: Exception) -> str:
    """Why the disk refuses, if it does."""
    causes = (cause for cause in _causes(error) if isinstance(cause, OSError))
    return next((os.strerror(cause.errno) for cause in causes if cause.errno in _DISK_ERRORS), "")


def _describe(error: Exception) -> str:
    """Why the hub gave no answer, and what to do."""
    import httpx2
    from huggingface_hub.constants import ENDPOINT
    from huggingface_hub.errors import FileMetadataError, HfHubHTTPError, OfflineModeIsEnabled

    for cause in _causes(error):
        if isinstance(cause, OfflineModeIsEnabled):
            return "HF_HUB_OFFLINE is set, so the hub is not asked"
        if isinstance(cause, HfHubHTTPError):
            status = cause.response.status_code
            if "text/html" in cause.response.headers.get("content-type", ""):
                return f"{ENDPOINT} answers {status} with a web page: the hub is down, or a proxy refuses"
            return _ANSWERS.get(status, f"the hub answers {status}: try again later")
        if isinstance(cause, json.JSONDecodeError | FileMetadataError):
            return f"what answers at {ENDPOINT} is not the hub: a proxy's page, or a wrong HF_ENDPOINT"
        if isinstance(cause, httpx2.HTTPError):
            return f"the hub is out of reach ({type(cause).__name__})"
    return f"{type(error).__name__}: {first_line(error)}"
