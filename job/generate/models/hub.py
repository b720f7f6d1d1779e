"""Models on the Hugging Face hub, as folders of the hub's own cache."""

from collections.abc import Sequence
from fnmatch import fnmatch
from pathlib import Path

from job.errors import ModelError

_TIMEOUT_SECONDS = 10.0


def fetch(name: str, revision: str = "") -> Path:
    """The snapshot folder of the model `name`; the folder's own name is the commit.

    Downloads what is missing. If the hub is out of reach, the cache's snapshot is taken.
    Raises ModelError: no such model or revision, not allowed, or out of reach and not cached.
    """
    from huggingface_hub import HfApi, snapshot_download
    from huggingface_hub.errors import (
        GatedRepoError,
        HFValidationError,
        LocalEntryNotFoundError,
        RepositoryNotFoundError,
        RevisionNotFoundError,
    )

    branch = revision or "main"
    try:
        # One request with a short timeout: the downloads retry for half a minute a file.
        info = HfApi().model_info(name, revision=branch, timeout=_TIMEOUT_SECONDS)
        files = select_files([file.rfilename for file in info.siblings or ()])
        return Path(snapshot_download(name, revision=branch, allow_patterns=files))
    except HFValidationError:
        raise ModelError(f"model {name!r}: no such folder or file, and not a name on the hub") from None
    except GatedRepoError:
        raise ModelError(f"model {name!r}: accept its terms on the hub and set HF_TOKEN") from None
    except RevisionNotFoundError:
        raise ModelError(f"model {name!r}: the hub has no revision {branch!r} of it") from None
    except RepositoryNotFoundError:
        raise ModelError(f"model {name!r}: not on the hub, or private: then set HF_TOKEN") from None
    except Exception as error:  # the hub does not answer; the cache may have the model
        reason = type(error).__name__
    try:
        return Path(snapshot_download(name, revision=branch, local_files_only=True))
    except LocalEntryNotFoundError:
        raise ModelError(
            f"model {name!r}: the hub is out of reach ({reason}) and the cache does not hold it; "
            f"connect to the hub, or use --model smollm2-135m, which is embedded"
        ) from None


def select_files(names: Sequence[str]) -> list[str]:
    """The files that loading reads: tokenizer, configuration, and one format of the weights."""
    names = [name for name in names if "/" not in name]
    weights = [name for name in names if name.endswith(".safetensors")]
    weights = weights or [name for name in names if fnmatch(name, "pytorch_model*.bin")]
    return weights + [name for name in names if name.endswith((".json", ".txt", ".model", ".jinja"))]
