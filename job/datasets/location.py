"""Where the datasets are when nobody says."""

import os
from collections.abc import Mapping
from pathlib import Path

VARIABLE = "TEXTGEN_STORE"


def default_url(start: Path, environment: Mapping[str, str] = os.environ) -> str:
    """TEXTGEN_STORE, else `.textgen/datasets` of the repository that holds `start`.

    The repository is the nearest folder upwards with `.textgen` or `.git` in it; `start` where there
    is none.
    """
    if url := environment.get(VARIABLE):
        return url
    here = start.resolve()
    around = (
        folder for folder in (here, *here.parents) if any((folder / n).exists() for n in (".textgen", ".git"))
    )
    return (next(around, here) / ".textgen" / "datasets").as_uri()
