"""One poll of repositories: what was pushed runs, once.

For each file of a push, in this order: is there a record? If not, create the Workflow, suspended, under the
push's own name (or take the one that has it); put the record with its uid, if absent; start the Workflow if
it is the recorded one. If a poller is killed in between, the next poll continues: it begins with the
Workflows that wait.
"""

import tempfile
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from argo.cluster.api import Api, ApiError, Object, UnreachableError
from argo.cluster.objects import Workflow
from argo.cluster.workflow_status import build_run_record
from argo.compile import ClusterConfig
from argo.language import check
from argo.language.diagnostics import Severity
from argo.repository import repository_key
from argo.runs import Phase
from argo.trigger import push_workflow
from argo.trigger.commit_status import StatusClient
from argo.trigger.events import create_invalid_file_event
from argo.trigger.git_hosts import CommitState
from argo.trigger.push import Push
from argo.trigger.push_record import (
    PushRecord,
    put_push_record,
    read_branch_commits,
    read_push_record,
    write_branch_commits,
)
from argo.trigger.remote_repository import FOLDER, RemoteRepository, canonical_url
from job.errors import InputError, TextgenError
from job.storage.store import Store
from job.text import one_line

MAX_COMMITS = 100  # of a branch, in one poll

_COMMIT_STATES = {Phase.SUCCEEDED: CommitState.SUCCESS, Phase.FAILED: CommitState.FAILURE}
_INVALID = {400, 422}  # the API server will never accept the object
_CREATE_ATTEMPTS = 3

Log = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Poller:
    """Runs what was pushed in one namespace of a cluster.

    `every_commit` runs each new commit of a branch, not the newest only. `git_timeout` is for each of git's
    commands, in seconds. `statuses` is None without a token.
    """

    api: Api
    store: Store
    cluster: ClusterConfig
    statuses: StatusClient | None
    environ: Mapping[str, str]
    every_commit: bool = False
    git_timeout: float = 60

    def resume(self, urls: Iterable[str], log: Log) -> bool:
        """Finish what earlier polls of these repositories left: start waiting Workflows, report ended ones.

        Returns whether all of that succeeded. Raises ClusterError and StoreError.
        """
        keys, succeeded = set(), True
        for url in urls:
            with suppress(InputError):  # the poll of this URL reports it
                keys.add(repository_key(canonical_url(url, self.environ)))
        for workflow in push_workflow.list_waiting(self.api):
            push = push_workflow.read_push(workflow["metadata"])
            if push and repository_key(push.url) in keys:
                try:
                    _log_push(log, push, self._start_if_recorded(push, workflow))
                except UnreachableError:
                    raise
                except TextgenError as error:  # continue with the others
                    _log_push(log, push, str(error))
                    succeeded = False
        for workflow in push_workflow.list_unreported(self.api) if self.statuses else ():
            push = push_workflow.read_push(workflow["metadata"])
            if push and repository_key(push.url) in keys:
                self._report_end(push, workflow)
        return succeeded

    def poll(self, url: str, log: Log) -> bool:
        """Run what was pushed to the repository since the last poll. Returns whether all of it succeeded.

        A failure is logged, and tried again by the next poll. Raises InputError if `url` is not the address
        of a repository, CheckoutError if it can't be read, StoreError and ClusterError.
        """
        with tempfile.TemporaryDirectory(prefix="textgen-") as folder:
            repository = RemoteRepository(url, Path(folder), self.environ, self.git_timeout)
            branches = repository.list_branches()
            polled = read_branch_commits(self.store, repository.url)
            changed = [branch for branch in branches if branches[branch] != polled.get(branch)]
            fetched = repository.fetch_branches(changed, MAX_COMMITS + 1 if self.every_commit else 1)
            now_polled = {branch: commit for branch, commit in polled.items() if branch in branches}
            for branch, newest in fetched.items():
                commits = self._select_commits(repository, branch, polled.get(branch), newest, log)
                if all(self._run_commit(repository, branch, commit, log) for commit in commits):
                    now_polled[branch] = newest
            if now_polled != polled:
                write_branch_commits(self.store, repository.url, now_polled)
            return fetched.items() <= now_polled.items()

    def _select_commits(
        self, repository: RemoteRepository, branch: str, polled: str | None, newest: str, log: Log
    ) -> list[str]:
        """The commits of a branch that are to run, oldest first."""
        if not self.every_commit or polled is None:
            return [newest]
        commits = repository.list_commits(polled, newest)
        if commits is None or len(commits) > MAX_COMMITS:
            reason = f"{branch} was rewritten, or has over {MAX_COMMITS} new commits"
            log(f"{repository.url} {one_line(reason)}: only the newest runs")
            return [newest]
        return commits or [newest]

    def _run_commit(self, repository: RemoteRepository, branch: str, commit: str, log: Log) -> bool:
        """Run the files of a commit that name its branch. Returns whether there is nothing to try again."""
        files = list(repository.read_workflow_files(commit))
        if not files:
            prefix = f"{repository.url} {one_line(branch)} {commit[:7]}"
            log(f"{prefix}: no workflow files: {FOLDER}/ has no .yaml or .yml")
        succeeded = True
        for path, data in files:
            push = Push(repository.url, branch, commit, path)
            try:
                _log_push(log, push, self._run_file(push, data))
            except TextgenError as error:
                _log_push(log, push, str(error))
                succeeded = False
        return succeeded

    def _run_file(self, push: Push, data: bytes) -> str:
        """What became of a file, in a line; empty for a file that runs for other branches only."""
        checked = check(Path(push.file), data)
        if checked.trigger and push.branch not in checked.trigger.branches:
            return ""
        if record := read_push_record(self.store, push):
            return "" if record.error else f"already has the run {record.run}"
        if checked.workflow is None:
            errors = (each for each in checked.diagnostics if each.severity is Severity.ERROR)
            return self._reject(push, str(next(errors)))
        if checked.trigger is None:
            return "no push starts it: it has no on: {github: {branches: {only: BRANCH}}}"
        try:
            manifest = push_workflow.build_push_workflow(push, checked.workflow, self.cluster)
        except InputError as error:
            return self._reject(push, str(error))
        return self._submit(push, manifest)

    def _submit(self, push: Push, manifest: Object) -> str:
        for _ in range(_CREATE_ATTEMPTS):
            try:
                workflow = push_workflow.create_workflow(self.api, manifest)
            except ApiError as error:
                if error.status in _INVALID:
                    return self._reject(push, str(error))
                raise
            if workflow:
                return self._start_if_recorded(push, workflow)
            if record := read_push_record(self.store, push):
                return f"already has the run {record.run}"
        raise push_workflow.disappearing_error(push)

    def _start_if_recorded(self, push: Push, workflow: Workflow) -> str:
        """Start the Workflow if the record names it, or there is no record yet."""
        uid = workflow["metadata"]["uid"]
        record = put_push_record(self.store, push, PushRecord(push.run, uid))
        if record.uid != uid:  # the recorded run was deleted, and this one created since
            if push_workflow.is_waiting(workflow):
                push_workflow.discard_workflow(self.api, workflow)
            return f"already had the run {push.run}"
        if not push_workflow.is_waiting(workflow):
            return f"already has the run {push.run}"
        if self.statuses:
            self.statuses.post(push, CommitState.PENDING, f"submitted as {push.run}")
        push_workflow.start_workflow(self.api, workflow)
        return f"submitted {push.run} to {self.api}"

    def _reject(self, push: Push, reason: str) -> str:
        """Report that the file can't run: as an Event, a commit status, and in the record, so only once."""
        line = one_line(reason)
        create_invalid_file_event(self.api, push, line)
        if self.statuses:
            self.statuses.post(push, CommitState.ERROR, line)
        put_push_record(self.store, push, PushRecord(push.run, error=line))
        return f"can't run: {line}"

    def _report_end(self, push: Push, workflow: Workflow) -> None:
        run = build_run_record(workflow)
        versions = ", ".join(version for job in run.jobs.values() for version in job.outputs.values())
        text = f"made {versions}" if versions else str(run.phase)
        if run.phase is not Phase.SUCCEEDED:
            failures = (f"{name}: {job.message}" for name, job in run.jobs.items() if job.message)
            text = next(failures, run.message or text)
        state = _COMMIT_STATES.get(run.phase, CommitState.ERROR)
        if self.statuses and self.statuses.post(push, state, f"{push.run}: {text}"):
            push_workflow.mark_reported(self.api, workflow)


def _log_push(log: Log, push: Push, text: str) -> None:
    if text:
        log(f"{push.url} {push}: {text}")
