"""The pod protocol: what `textgen compile` tells a pod's own containers, and where they find it.

A container is told one spec as JSON in the variable TEXTGEN_STEPS: `inputs` an InputsSpec, `store` a
StoreSpec, `commit`, or a `main` that runs it, a CommitSpec. Both sides use these classes, so this module
imports nothing slow.

The JSON has VERSION. In version 1, and without one, there was no `store`: `commit` had the credentials and a
StoreSpec. Such pods run until no release reads version 1 any more.
"""

import json
import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import Any, Protocol, Self, TypeVar

from job.errors import InputError
from job.pod.json_reader import COMPILE_AGAIN, JsonReader
from job.pod.outputs import Output, read_output
from job.pod.steps import (
    DatasetStep,
    OutputStep,
    ShardStep,
    Step,
    read_dataset_step,
    read_shard_step,
    read_step,
)
from job.pod.values import Value, read_optional_value, read_value, read_variable, value_to_json, without_none

VERSION = 2
_READABLE = (None, 1, VERSION)

# Folders of a pod
INPUTS = Path("/inputs")
OUTPUTS = Path("/outputs")
NOTES = Path("/var/run/textgen")  # written by the first container; the job's own can only read it
LINEAGE = NOTES / "lineage.json"
SHARD_FOLDER = NOTES / "shard"  # what `python -m job shard` reads
HANDOFF = Path("/handoff")  # written by `commit`, or by a `main` that runs it; read by `store`
VERDICT = Path("/verdict")  # written by `store`, read by all others
VERSIONS = VERDICT / "versions"  # one file for each version that the job made, for Argo to show
MODES = OUTPUTS / ".modes"  # no output can have this name
# A shell command, for outputs that only the job's user can read. An image without `find` has no MODES.
SHARE_OUTPUTS = (
    f"(cd {OUTPUTS} && find . ! -type l '(' ! -perm -444 -o -perm /111 ! -perm -111 ')' "
    f"-exec stat -c '%a %n' {{}} + > {MODES.name}) 2> /dev/null; chmod -R a+rX {OUTPUTS}"
)
API = Path("/var/run/textgen-api")  # the pod's token and the API server's certificate, in `store` alone
VERSIONS_1 = Path("/var/run/versions")  # of specs of version 1

# Variables of its containers; job.project has the store's
SPEC = "TEXTGEN_STEPS"
POD_NAMESPACE = "TEXTGEN_NAMESPACE"
POD = "TEXTGEN_POD"
POD_UID = "TEXTGEN_POD_UID"
NODE_ID = "TEXTGEN_NODE_ID"  # of the Workflow's node that the pod runs
RUN = "TEXTGEN_RUN"  # an id, the same for a run that is retried
RUN_NAME = "TEXTGEN_RUN_NAME"
SHARD = "TEXTGEN_SHARD"  # the index of a shard, from 0; only in its pods

# A volume's files belong to the user that fetched them, and git refuses repositories of other users.
GIT_TRUSTS_EVERY_OWNER = {
    "GIT_CONFIG_COUNT": "1",
    "GIT_CONFIG_KEY_0": "safe.directory",
    "GIT_CONFIG_VALUE_0": "*",
}


@dataclass(frozen=True, slots=True)
class MainCommand:
    """The job's own command when it can't stand in a template: the image's `sh` reads it from a file.

    `share` makes what the command leaves in /outputs readable by every user.
    """

    argv: tuple[str, ...]
    env: Mapping[str, str] = field(default_factory=dict)
    share: bool = False

    def to_json(self) -> dict[str, Any]:
        return {"env": dict(self.env), "argv": list(self.argv), "share": self.share}


@dataclass(frozen=True, slots=True)
class InputsSpec:
    """What `inputs` does before the job starts. `textgen` is the version that compiled it.

    `steps` are by the path that each fills; `references` are all datasets that the run's jobs read, which
    the first job resolves for the others; `files` are texts for the job's own container. `unread` are
    datasets that other pods of the job read, by its inputs' names: their versions belong to the lineage.
    """

    textgen: str
    job: str
    steps: Mapping[str, Step] = field(default_factory=dict)
    folders: tuple[str, ...] = ()
    references: tuple[Value, ...] = ()
    files: Mapping[str, Value] = field(default_factory=dict)
    main: MainCommand | None = None
    shard: ShardStep | None = None
    unread: Mapping[str, DatasetStep | OutputStep] = field(default_factory=dict)

    def check_paths(self) -> None:
        """Raise InputError if a step or a file would write elsewhere than where the job finds it.

        No step writes into what another brings, which may have links.
        """
        paths = [PurePosixPath(path) for path in self.steps]
        inside = [*paths, *map(PurePosixPath, self.folders)]
        if any({INPUTS, OUTPUTS}.isdisjoint(path.parents) or ".." in path.parts for path in inside):
            raise InputError(f"{SPEC}: a path that is not below {INPUTS} or {OUTPUTS}; {COMPILE_AGAIN}")
        if any(path in other.parents for path in paths for other in paths):
            raise InputError(f"{SPEC}: a path below another one; {COMPILE_AGAIN}")
        _check_names(self.files, "a file", NOTES)
        if self.shard:
            _check_names([self.shard.output], "an output", OUTPUTS)

    def to_json(self) -> dict[str, Any]:
        """The JSON object; from_json reads it."""
        return _head(self.textgen, self.job) | {
            "into": {path: step.to_json() for path, step in self.steps.items()},
            "folders": list(self.folders),
            **({"resolve": [value_to_json(ref) for ref in self.references]} if self.references else {}),
            **(
                {"files": {name: value_to_json(text) for name, text in self.files.items()}}
                if self.files
                else {}
            ),
            **({"main": self.main.to_json()} if self.main else {}),
            **({"shard": self.shard.to_json()} if self.shard else {}),
            **(
                {"unread": {name: step.to_json() for name, step in self.unread.items()}}
                if self.unread
                else {}
            ),
        }

    @classmethod
    def from_json(cls, document: Any) -> Self:
        """Raises InputError if it is no such spec, or one of another version."""
        spec = _read_version(document)
        main, shard = spec.get("main"), spec.get("shard")
        return cls(
            spec.get("textgen").optional_string() or "",
            spec.get("job").string(),
            {path: read_step(step) for path, step in spec.get("into").items()},
            tuple(folder.string() for folder in spec.get("folders").elements()),
            tuple(read_value(ref) for ref in spec.get("resolve").elements()),
            {name: read_value(text) for name, text in spec.get("files").items()},
            None if main.value is None else _read_main(main),
            None if shard.value is None else read_shard_step(shard),
            {name: read_dataset_step(step) for name, step in spec.get("unread").items()},
        )


@dataclass(frozen=True, slots=True)
class StoreSpec:
    """What `store` keeps of the job. `textgen` is the version that compiled it.

    `outputs` are stored when `commit` asks for it. `url` and `ref` are the repository that the run is for;
    `lineage` goes into every version. `logs` are the containers whose logs are kept.
    """

    textgen: str
    job: str
    outputs: Mapping[str, Output] = field(default_factory=dict)
    url: Value | None = None
    ref: Value | None = None
    lineage: Mapping[str, Any] = field(default_factory=dict)
    logs: tuple[str, ...] = ()

    def check_paths(self) -> None:
        """Raise InputError if an output would be read elsewhere than where the job writes it."""
        _check_names(self.outputs, "an output", OUTPUTS)

    def to_json(self) -> dict[str, Any]:
        """The JSON object; from_json reads it."""
        return _head(self.textgen, self.job) | {
            "outputs": {name: output.to_json() for name, output in self.outputs.items()},
            "event": without_none({"url": value_to_json(self.url), "ref": value_to_json(self.ref)}),
            "lineage": dict(self.lineage),
            "logs": list(self.logs),
        }

    @classmethod
    def from_json(cls, document: Any) -> Self:
        """Raises InputError if it is no such spec, or one of another version."""
        spec = _read_version(document)
        event = spec.get("event")
        return cls(
            spec.get("textgen").optional_string() or "",
            spec.get("job").string(),
            {name: read_output(output) for name, output in spec.get("outputs").items()},
            read_optional_value(event.get("url")),
            read_optional_value(event.get("ref")),
            {name: entry.value for name, entry in spec.get("lineage").items()},
            tuple(name.string() for name in spec.get("logs").elements()),
        )


@dataclass(frozen=True, slots=True)
class CommitSpec:
    """What `commit` asks `store` for: the outputs of the job. `textgen` is the version that compiled it."""

    textgen: str
    job: str

    def check_paths(self) -> None:
        """Nothing: it has none."""

    def to_json(self) -> dict[str, Any]:
        """The JSON object; from_json reads it."""
        return _head(self.textgen, self.job)

    @classmethod
    def from_json(cls, document: Any) -> Self:
        """Raises InputError if it is no such spec, or one of another version."""
        spec = _read_version(document)
        return cls(spec.get("textgen").optional_string() or "", spec.get("job").string())


class _Spec(Protocol):
    @classmethod
    def from_json(cls, document: Any) -> Self: ...

    def check_paths(self) -> None: ...


S = TypeVar("S", bound=_Spec)


def load_spec(kind: type[S], environ: Mapping[str, str] = os.environ) -> S:
    """The spec of this container. Raises InputError if there is none that this version reads."""
    spec = kind.from_json(_load_json(environ))
    spec.check_paths()
    return spec


def is_before_store(environ: Mapping[str, str] = os.environ) -> bool:
    """Whether this container's pod has no `store`: its spec has version 1, or none. Raises InputError."""
    return bool(_read_version(_load_json(environ)).get("version").value != VERSION)


def _load_json(environ: Mapping[str, str]) -> Any:
    text = read_variable(SPEC, environ)
    try:
        return json.loads(text)
    except ValueError:
        raise InputError(f"{SPEC} is not JSON: {COMPILE_AGAIN}") from None


def _read_version(document: Any) -> JsonReader:
    """The document, if its version is read here. Raises InputError, which names the image that it needs."""
    spec = JsonReader(document, SPEC)
    version = spec.get("version").value
    if version not in _READABLE or isinstance(version, bool):
        textgen = spec.get("textgen").value
        image = f"the image textgen:{textgen}" if isinstance(textgen, str) else "another image"
        raise InputError(
            f"{SPEC} has version {version!r}, and this image reads version 1 and {VERSION}: run the workflow "
            f"with {image}, or compile it again with the `textgen` of this image"
        )
    return spec


def _check_names(names: Iterable[str], what: str, folder: Path) -> None:
    """Raise InputError if a name is not that of a file in the folder."""
    if any(name in {"", ".", ".."} or "/" in name for name in names):
        raise InputError(f"{SPEC}: {what} that is not below {folder}; {COMPILE_AGAIN}")


def _read_main(main: JsonReader) -> MainCommand:
    env = {name: text.string() for name, text in main.get("env").items()}
    argv = tuple(word.string() for word in main.get("argv").elements())
    return MainCommand(argv, env, main.get("share").boolean())


def _head(textgen: str, job: str) -> dict[str, Any]:
    return {"version": VERSION, "textgen": textgen, "job": job}
