"""`python -m job inputs`: everything a job finds when it starts, made in its pod's first container."""

import json
import os
import shlex
import shutil
import stat
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, NoReturn

import click

from job.checkout.checkout import checkout
from job.checkout.download import download, read_keys
from job.checkout.git import PASSWORD, USERNAME, redact_url
from job.datasets import DatasetRef, Datasets, Version
from job.errors import CheckoutError, InputError, JobError, StoreError
from job.pod.results import JobResults, decide_commit, read_commit, read_results, resolve_datasets
from job.pod.shards.inputs import Prompts, fetch_rows, fetch_texts
from job.pod.shards.keys import Shards, read_index
from job.pod.shards.parts import POSITION, Position, write_position
from job.pod.spec import (
    GIT_TRUSTS_EVERY_OWNER,
    INPUTS,
    LINEAGE,
    NOTES,
    OUTPUTS,
    RUN,
    SHARD_FOLDER,
    SHARE_OUTPUTS,
    InputsSpec,
    MainCommand,
    load_spec,
)
from job.pod.steps import CheckoutStep, DatasetStep, OutputStep, S3Step, ShardStep, Step
from job.pod.store_outage import retry_while_unavailable
from job.pod.values import (
    FILE_VARIABLES,
    GIT_VARIABLES,
    KEY_VARIABLES,
    Parameter,
    read_variable,
    resolve_value,
)
from job.pod.volume import load_volume
from job.project import STORE_VARIABLE as STORE
from job.storage.store import UnavailableError
from job.termination import report_termination
from job.text import counted
from job.untrusted_files import UntrustedPath, copy_tree

_MOUNTS = Path("/proc/self/mountinfo")


@click.command("inputs")
@report_termination
def command() -> None:
    """Fetch a job's inputs and lay out its folders, as TEXTGEN_STEPS says."""
    os.umask(0)  # the user of the job's own container is not known here
    spec = load_spec(InputsSpec)
    datasets, run = Datasets.at(read_variable(STORE)), read_variable(RUN)
    references = [resolve_value(ref, os.environ) for ref in spec.references]
    versions = (
        retry_while_unavailable(lambda: resolve_datasets(datasets, run, references)) if references else {}
    )
    runner = StepRunner(datasets, run, versions, os.environ)
    for folder in spec.folders:
        Path(folder).mkdir(parents=True, exist_ok=True)
    for path, step in spec.steps.items():
        retry_while_unavailable(partial(runner.run_step, Path(path), step))
    for name, text in spec.files.items():
        (NOTES / name).write_bytes(resolve_value(text, os.environ, FILE_VARIABLES).encode())
    if spec.main:
        (NOTES / "main").write_bytes(main_script(spec.main).encode())
    for name, unread in spec.unread.items():
        retry_while_unavailable(partial(runner.name_version, name, unread))
    if spec.shard:
        shards = Shards(datasets.store, run, spec.job)
        fetch = partial(runner.run_shard, shards, read_index(), spec.shard, SHARD_FOLDER, OUTPUTS)
        write_position(NOTES / POSITION, retry_while_unavailable(fetch))
    lineage = {name: entries for name, entries in runner.lineage.items() if entries}
    LINEAGE.write_text(json.dumps(lineage, ensure_ascii=False), "utf-8")


@dataclass(frozen=True, slots=True)
class StepRunner:
    """Runs the steps of one job of one run, and collects the lineage of what they bring.

    `versions` has the version of each dataset reference that the run's jobs read.
    """

    datasets: Datasets
    run: str
    versions: Mapping[str, str]
    environ: Mapping[str, str]
    lineage: dict[str, dict[str, Any]] = field(
        default_factory=lambda: {"parameters": {}, "inputs": {}, "checkouts": {}}
    )

    def run_step(self, path: Path, step: Step) -> None:
        """Fill `path`, which holds nothing after an UnavailableError, so that the step can run again.

        Raises InputError, CheckoutError, JobError, StoreError and UnknownReferenceError.
        """
        if isinstance(step, CheckoutStep | S3Step) and (shared := _find_in_shared_volume(path)):
            self._fill_shared(shared, step)
            return
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            match step:
                case CheckoutStep():
                    self._check_out(path, step)
                case DatasetStep():
                    self._fetch_version(path, self._version(resolve_value(step.ref, self.environ)))
                case Parameter():
                    self._write_parameter(path, step)
                case OutputStep():
                    self._fetch_output(path, step)
                case S3Step():
                    self._download(path, step)
        except UnavailableError:
            _empty(path)
            raise

    def run_shard(self, shards: Shards, index: int, step: ShardStep, folder: Path, outputs: Path) -> Position:
        """Bring a shard's rows to `folder`, and to its output what earlier pods stored; how much that is.

        Can run again after an UnavailableError. Raises as `run_step` does.
        """
        prompts = Prompts()
        if step.prompts:
            version = self.name_version(step.input, step.prompts)
            prompts = Prompts.of_version(step.input, version.ref, self.datasets.manifest(version))
        texts = fetch_rows(shards, index, prompts, folder)
        position = fetch_texts(shards, index, outputs / step.output)
        click.echo(f"{counted(texts, 'text')}, of which {position.rows} are stored")
        return position

    def name_version(self, name: str, step: DatasetStep | OutputStep) -> Version:
        """The version of a dataset that the run uses; it goes into the lineage, as that of an input."""
        version = self.datasets.resolve(self._find_version(step))
        self.lineage["inputs"][name] = str(version)
        return version

    def _find_version(self, step: DatasetStep | OutputStep) -> DatasetRef:
        if isinstance(step, DatasetStep):
            return self._version(resolve_value(step.ref, self.environ))
        versions = self._read_results(step).datasets
        return DatasetRef.parse(versions[step.output]) if step.output in versions else _refuse_empty(step)

    def _fill_shared(self, path: UntrustedPath, step: CheckoutStep | S3Step) -> None:
        """Fill a path that other jobs may be changing: git would follow a link that they put into its way.

        If the run has decided the commit, an earlier pod of this job may have filled the path in part: a node
        was lost. The same files then replace those.
        """
        if (
            isinstance(step, CheckoutStep)
            and not path.is_absent_or_empty()
            and read_commit(self.datasets.store, self.run, step.job) is None
        ):
            raise CheckoutError(f"{path.name}: not an empty folder; give the checkout a folder of its own")
        with TemporaryDirectory() as folder:
            fetched = Path(folder, "fetched")
            if isinstance(step, CheckoutStep):
                self._check_out(fetched, step)
            else:
                self._download(fetched, step)
            copy_tree(UntrustedPath.at(fetched), path)

    def _check_out(self, path: Path, step: CheckoutStep) -> None:
        url, ref = resolve_value(step.url, self.environ), resolve_value(step.ref, self.environ)
        if not url:
            raise InputError(
                "the run has no repository: submit it with -p github-url=URL -p github-ref=COMMIT"
            )
        secrets = {
            USERNAME: resolve_value(step.username, self.environ, GIT_VARIABLES),
            PASSWORD: resolve_value(step.password, self.environ, GIT_VARIABLES),
        }
        environ = {
            **self.environ,
            **GIT_TRUSTS_EVERY_OWNER,
            **{name: secret for name, secret in secrets.items() if secret},
        }
        click.echo(f"Cloning into '{path}'...")
        decided = read_commit(self.datasets.store, self.run, step.job)
        commit = checkout(url, decided or ref or None, path, environ)
        if not decided:
            decided = decide_commit(self.datasets.store, self.run, step.job, commit)
        if commit != decided:  # another job of the run was first, and the branch has moved since
            shutil.rmtree(path)
            checkout(url, decided, path, environ)
        click.echo(f"HEAD is now at {decided}")
        self.lineage["checkouts"][step.job] = {"url": redact_url(url), "commit": decided}

    def _version(self, ref: str) -> DatasetRef:
        if ref not in self.versions:
            raise StoreError(f"{ref}: the run's first job did not resolve it; submit the workflow again")
        return DatasetRef.parse(self.versions[ref])

    def _fetch_version(self, path: Path, ref: DatasetRef) -> None:
        version = self.datasets.resolve(ref)
        self.datasets.fetch(version, path)
        for entry in (path, *path.rglob("*")):
            if not entry.is_symlink():
                entry.chmod(stat.S_IMODE(entry.stat().st_mode) | (0o555 if entry.is_dir() else 0o444))
        click.echo(f"{version} in {path}: {counted(version.files, 'file')}, {version.size} bytes")
        self.lineage["inputs"][path.name] = str(version)

    def _write_parameter(self, path: Path, parameter: Parameter) -> None:
        text = resolve_value(parameter, self.environ)
        path.write_bytes(text.encode())
        self.lineage["parameters"][path.name] = text

    def _fetch_output(self, path: Path, step: OutputStep) -> None:
        store = self.datasets.store
        results = self._read_results(step)
        if step.output in results.strings:
            path.write_bytes(results.strings[step.output].encode())
        elif step.output in results.volumes:
            load_volume(store, results.volumes[step.output], path)
            click.echo(f"{step.job}'s {step.output} in {path}")
        elif step.output in results.datasets:
            self._fetch_version(path, DatasetRef.parse(results.datasets[step.output]))
        else:
            _refuse_empty(step)

    def _read_results(self, step: OutputStep) -> JobResults:
        store = self.datasets.store
        results = read_results(store, self.run, step.job)
        if results is None:
            raise StoreError(f"{step.job} has left no results in {store.url}; run the workflow again")
        return results

    def _download(self, path: Path, step: S3Step) -> None:
        keys = read_keys(
            *(
                resolve_value(key, self.environ, KEY_VARIABLES)
                for key in (step.access_key, step.secret_access_key)
            )
        )
        count, size = download(step.url, path, keys, region=step.region, endpoint=step.endpoint)
        click.echo(f"{step.url} in {path}: {counted(count, 'file')}, {size} bytes")


def _refuse_empty(step: OutputStep) -> NoReturn:
    raise JobError(
        f"the job {step.job!r} left its output {step.output!r} empty, so there is no version of it"
    )


def _find_in_shared_volume(path: Path) -> UntrustedPath | None:
    """The path, if it is in a volume that other pods mount, too: one that is mounted at /inputs/NAME."""
    if INPUTS not in path.parents:
        return None
    parts = path.relative_to(INPUTS).parts
    mounts = {line.split()[4] for line in _MOUNTS.read_text("utf-8").splitlines()}
    return UntrustedPath(INPUTS, parts, str(path)) if str(INPUTS / parts[0]) in mounts else None


def _empty(path: Path) -> None:
    """Delete a file, or what is in a folder, which was there before the step."""
    if not path.is_dir():
        path.unlink(missing_ok=True)
        return
    for entry in path.iterdir():
        shutil.rmtree(entry) if entry.is_dir() and not entry.is_symlink() else entry.unlink()


def main_script(main: MainCommand) -> str:
    """A script for the image's `sh` that runs the command with its variables, byte for byte."""
    words = ["env", *(f"{name}={text}" for name, text in main.env.items()), *main.argv]
    line = " ".join(shlex.quote(word) for word in words)
    if not main.share:
        return f"exec {line}\n"
    return f"{line}\ncode=$?\n{SHARE_OUTPUTS}\nexit $code\n"
