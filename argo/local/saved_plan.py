"""What a retry needs to know of a run's plan, beside its record: `plan.json` in the run's folder."""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from argo.repository import CodeVersion, MissingFiles
from job.datasets import DatasetRef
from job.errors import InputError, TextgenError
from job.files import write_atomically

_FILE = "plan.json"
_KINDS = {
    "file": str,
    "text": str,
    "ref": str | None,
    "env": list,
    "shards": int | None,
    "store": str,
    "versions": dict,
}


@dataclass(frozen=True, slots=True)
class SavedPlan:
    """`file` is the workflow file's path and `text` its content; `ref` is the commit that --ref named, `env`
    are the names of --env, `shards` is the number of --shards, `store` is the datasets' URL, `versions` are
    those of the dataset inputs."""

    file: Path
    text: str
    ref: str | None
    env: tuple[str, ...]
    shards: int | None
    store: str
    versions: Mapping[DatasetRef, DatasetRef]
    code: CodeVersion | None

    def write(self, folder: Path) -> None:
        """Keep it in the folder of its run."""
        versions = {str(ref): str(version) for ref, version in self.versions.items()}
        value = asdict(replace(self, versions={})) | {"file": str(self.file), "versions": versions}
        write_atomically(folder / _FILE, [json.dumps(value, indent=1).encode()])

    @classmethod
    def read(cls, folder: Path) -> "SavedPlan":
        """The plan of the run in `folder`. Raises InputError if there is none, TextgenError if damaged."""
        path, again = folder / _FILE, f"so {folder.name} can't be retried; run its file again"
        try:
            value = json.loads(path.read_bytes())
            for name, kind in _KINDS.items():
                if not isinstance(value[name], kind):
                    raise TypeError(name)
            code = value["code"]
            if code:
                missing = {**code["missing"], "submodules": tuple(code["missing"]["submodules"])}
                code = CodeVersion(**{**code, "missing": MissingFiles(**missing)})
            parse = DatasetRef.parse
            versions = {parse(ref): parse(version) for ref, version in value["versions"].items()}
            fields = {"file": Path(value["file"]), "env": tuple(value["env"])}
            return cls(**{**value, **fields, "versions": versions, "code": code})
        except FileNotFoundError:
            raise InputError(f"{path}: is not there, {again}") from None
        except (ValueError, KeyError, TypeError, AttributeError, InputError, RecursionError) as error:
            raise TextgenError(f"{path}: damaged, {again}") from error
