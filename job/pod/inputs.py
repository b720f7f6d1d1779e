"""`python -m job inputs`: everything a job finds when it starts, made in its pod's first container."""

import json
import os
import shlex
import shutil
import stat
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import click

from job.checkout.checkout import checkout
from job.checkout.download import download
from job.checkout.git import PASSWORD, USERNAME, redact_url
from job.datasets import DatasetRef, Datasets
from job.errors import InputError, StoreError
from job.pod import results, volume
from job.pod.retry import patiently
from job.pod.spec import LINEAGE, NOTES, told, value
from job.pod.termination import explained
from job.storage.store import UnavailableError


@click.command("inputs")
@explained
def command() -> None:
    """Fetch a job's inputs and lay out its folders, as TEXTGEN_STEPS says."""
    os.umask(0)  # which user the job's own container has is not known here
    steps = told()
    datasets = Datasets.at(os.environ["TEXTGEN_STORE"])
    pod = Pod(datasets, os.environ["TEXTGEN_RUN"], tuple(steps.get("resolve", ())), os.environ)
    for folder in steps.get("folders", ()):
        Path(folder).mkdir(parents=True, exist_ok=True)
    for path, step in steps.get("into", {}).items():
        patiently(partial(make, pod, Path(path), step))
    for name, text in steps.get("files", {}).items():
        (NOTES / name).write_bytes(value(text, os.environ).encode())
    if main := steps.get("main"):
        (NOTES / "main").write_bytes(_start(**main).encode())
    known = {name: found for name, found in pod.lineage.items() if found}
    LINEAGE.write_text(json.dumps(known, ensure_ascii=False), "utf-8")


@dataclass(frozen=True, slots=True)
class Pod:
    """One job of one run. `refs` are all the dataset references that the run's jobs read."""

    datasets: Datasets
    run: str
    refs: tuple[Any, ...]
    environ: Mapping[str, str]
    lineage: dict[str, dict[str, Any]] = field(
        default_factory=lambda: {"parameters": {}, "inputs": {}, "checkouts": {}}
    )

    def version_of(self, ref: str) -> DatasetRef:
        """The version that `ref` stands for in this run."""
        refs = [value(each, self.environ) for each in self.refs]
        return DatasetRef.parse(results.resolved(self.datasets, self.run, refs)[ref])


# A claim's folders belong to root.
_OWNED = {"GIT_CONFIG_COUNT": "1", "GIT_CONFIG_KEY_0": "safe.directory", "GIT_CONFIG_VALUE_0": "*"}


def make(pod: Pod, path: Path, step: Mapping[str, Any]) -> None:
    """Do one step of job.pod.spec.

    Raises InputError, CheckoutError, StoreError and UnknownReferenceError.
    """
    kind = next(kind for kind in _MAKERS if kind in step)
    path.parent.mkdir(parents=True, exist_ok=True)
    try:
        _MAKERS[kind](pod, path, step)
    except UnavailableError:
        _clear(path)  # for the next try
        raise


def _clear(path: Path) -> None:
    """Leave nothing of what a step has made; a folder itself was there before."""
    if not path.is_dir():
        path.unlink(missing_ok=True)
        return
    for each in path.iterdir():
        shutil.rmtree(each) if each.is_dir() and not each.is_symlink() else each.unlink()


def _checkout(pod: Pod, path: Path, step: Mapping[str, Any]) -> None:
    wanted = step["checkout"]
    url, ref = value(wanted["url"], pod.environ), value(wanted.get("ref"), pod.environ)
    if not url:
        raise InputError("the run has no repository: submit it with -p github-url=URL -p github-ref=COMMIT")
    secrets = {USERNAME: wanted.get("username"), PASSWORD: wanted.get("password")}
    given = {name: value(secret, pod.environ) for name, secret in secrets.items()}
    environ = {**pod.environ, **_OWNED, **{name: text for name, text in given.items() if text}}
    click.echo(f"Cloning into '{path}'...")
    decided = results.commit(pod.datasets.store, pod.run, wanted["job"])
    commit = checkout(url, decided or ref or None, path, environ)
    if not decided:
        decided = results.decide(pod.datasets.store, pod.run, wanted["job"], commit)
    if commit != decided:  # another job of the run was first, and the branch has moved since
        shutil.rmtree(path)
        checkout(url, decided, path, environ)
    click.echo(f"HEAD is now at {decided}")
    pod.lineage["checkouts"][wanted["job"]] = {"url": redact_url(url), "commit": decided}


def _dataset(pod: Pod, path: Path, step: Mapping[str, Any]) -> None:
    _fetch(pod, path, pod.version_of(value(step["dataset"], pod.environ)))


def _fetch(pod: Pod, path: Path, ref: DatasetRef) -> None:
    version = pod.datasets.resolve(ref)
    pod.datasets.fetch(version, path)
    for each in (path, *path.rglob("*")):
        if not each.is_symlink():
            each.chmod(stat.S_IMODE(each.stat().st_mode) | (0o555 if each.is_dir() else 0o444))
    click.echo(f"{version} in {path}: {version.files} files, {version.size} bytes")
    pod.lineage["inputs"][path.name] = str(version)


def _parameter(pod: Pod, path: Path, step: Mapping[str, Any]) -> None:
    text = value(step, pod.environ)
    path.write_bytes(text.encode())
    pod.lineage["parameters"][path.name] = text


def _output(pod: Pod, path: Path, step: Mapping[str, Any]) -> None:
    job, name = step["output"]
    done = results.read(pod.datasets.store, pod.run, job)
    if done is None:
        raise StoreError(f"{job} has left no record in {pod.datasets.store.url}; run the workflow again")
    if name in done.strings:
        path.write_bytes(done.strings[name].encode())
    elif name in done.volumes:
        volume.load(pod.datasets.store, done.volumes[name], path)
        click.echo(f"{job}'s {name} in {path}")
    else:
        _fetch(pod, path, DatasetRef.parse(done.datasets[name]))


def _s3(pod: Pod, path: Path, step: Mapping[str, Any]) -> None:
    wanted = step["s3"]
    keys = [value(wanted[name], pod.environ) for name in ("access-key", "secret-access-key") if wanted[name]]
    count, size = download(wanted["url"], path, keys, region=wanted["region"], endpoint=wanted["endpoint"])
    click.echo(f"{wanted['url']} in {path}: {count} files, {size} bytes")


_MAKERS: Mapping[str, Callable[[Pod, Path, Mapping[str, Any]], None]] = {
    "checkout": _checkout,
    "dataset": _dataset,
    "parameter": _parameter,
    "output": _output,
    "s3": _s3,
}


def _start(env: Mapping[str, str], argv: list[str], *, share: bool) -> str:
    """A script for the image's `sh` that runs `argv` with texts that Argo would have read."""
    words = ["env", *(f"{name}={text}" for name, text in env.items()), *argv]
    line = " ".join(shlex.quote(word) for word in words)
    return f"{line}\ncode=$?\nchmod -R a+rX /outputs\nexit $code\n" if share else f"exec {line}\n"
