"""Models on the Hugging Face hub, as folders of the hub's own cache."""

from collections.abc import Sequence
from pathlib import Path

from job.errors import ModelError

_ANSWER_SECONDS = 10.0


def fetch(name: str, revision: str = "") -> Path:
    """The snapshot folder of the model `name`; the folder's own name is the commit.

    Downloads what is missing. With the hub out of reach, what the cache holds is taken.
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
        # One question with a short patience: the downloads retry for half a minute a file.
        info = HfApi().model_info(name, revision=branch, timeout=_ANSWER_SECONDS)
        files = needed([file.rfilename for file in info.siblings or ()])
        return Path(snapshot_download(name, revision=branch, allow_patterns=files))
    except HFValidationError:
        raise ModelError(f"model {name!r}: no such folder or file, and not a name on the hub") from None
    except GatedRepoError:
        raise ModelError(f"model {name!r}: accept its terms on the hub and set HF_TOKEN") from None
    except RevisionNotFoundError:
        raise ModelError(f"model {name!r}: the hub has no revision {branch!r} of it") from None
    except RepositoryNotFoundError:
        raise ModelError(f"model {name!r}: not on the hub, or private: then set HF_TOKEN") from None
    except Exception as error:  # whatever keeps the hub from answering: the cache may do
        unreachable = type(error).__name__
    try:
        return Path(snapshot_download(name, revision=branch, local_files_only=True))
    except LocalEntryNotFoundError:
        raise ModelError(
            f"model {name!r}: the hub is out of reach ({unreachable}) and the cache does not hold it; "
            f"run where the hub is reachable, or use --model smollm2-135m, which is embedded"
        ) from None


def needed(files: Sequence[str]) -> list[str]:
    """The files that loading reads: tokenizer, configuration, and one format of the weights."""
    own = [file for file in files if "/" not in file]
    weights = [file for file in own if file.endswith(".safetensors")]
    weights = weights or [file for file in own if file.startswith("pytorch_model") and file.endswith(".bin")]
    return weights + [file for file in own if file.endswith((".json", ".txt", ".model", ".jinja"))]
