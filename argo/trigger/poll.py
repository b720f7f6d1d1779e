"""One look at repositories: what was pushed runs, once.

For each file of a push, in this order: is there a record? If not, create the Workflow, suspended, by the
push's own name (or take the one that has it); put the record with its id, if absent; start the Workflow if
it is the recorded one. Whoever is killed in between is carried on for by the next poll, which begins with
the Workflows that wait.
"""

import tempfile
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from argo.cluster import workflow_status as runs
from argo.cluster.api import Api, ApiError, Object, UnreachableError
from argo.compile import ClusterConfig
from argo.language import check
from argo.language.diagnostics import Severity
from argo.repository import repository_key
from argo.runs import Phase
from argo.trigger import events, push_record, push_workflow
from argo.trigger.commit_status import StatusClient
from argo.trigger.git_hosts import CommitState
from argo.trigger.push import Push
from argo.trigger.push_record import PushRecord
from argo.trigger.remote_repository import FOLDER, RemoteRepository, canonical_url
from job.errors import ClusterError, InputError, TextgenError
from job.storage.store import Store
from job.text import one_line

MAX_COMMITS = 100  # commits of a branch that one poll runs

_STATES = {Phase.SUCCEEDED: CommitState.SUCCESS, Phase.FAILED: CommitState.FAILURE}
_INVALID = {400, 422}  # what the API server will never take
_ATTEMPTS = 3

Say = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Poller:
    """Runs what was pushed on one namespace of a cluster. `every` takes each new commit of a branch in place
    of the newest; `timeout` is for each of git's commands, in seconds; `statuses` is None without a token."""

    api: Api
    store: Store
    cluster: ClusterConfig
    statuses: StatusClient | None
    environ: Mapping[str, str]
    every: bool = False
    timeout: float = 60

    def resume(self, urls: Iterable[str], say: Say) -> bool:
        """Carry on what earlier polls of these repositories have left: what waits starts, and what has
        ended is reported. Whether that all went through. Raises ClusterError and StoreError."""
        keys, done = set(), True
        for url in urls:
            with suppress(InputError):  # which is said when it is polled
                keys.add(repository_key(canonical_url(url, self.environ)))
        for workflow in push_workflow.list_waiting(self.api):
            push = push_workflow.get_push(workflow)
            if push and repository_key(push.url) in keys:
                try:
                    _say(say, push, self._admitted(push, workflow))
                except UnreachableError:
                    raise
                except TextgenError as error:  # the others go on
                    _say(say, push, str(error))
                    done = False
        for workflow in push_workflow.list_unreported(self.api) if self.statuses else ():
            push = push_workflow.get_push(workflow)
            if push and repository_key(push.url) in keys:
                self._report(push, workflow)
        return done

    def poll(self, url: str, say: Say) -> bool:
        """Run what was pushed to the repository since the last poll; whether that all went through.

        What did not, is said, and is tried again by the next poll. Raises InputError for what is no
        repository's address, CheckoutError where it can't be read, StoreError and ClusterError.
        """
        with tempfile.TemporaryDirectory(prefix="textgen-") as folder:
            repository = RemoteRepository(url, Path(folder), self.environ, self.timeout)
            listed = repository.branches()
            known = push_record.read_branch_commits(self.store, repository.url)
            changed = [branch for branch in listed if listed[branch] != known.get(branch)]
            found = repository.fetch(changed, MAX_COMMITS + 1 if self.every else 1)
            done = {branch: commit for branch, commit in known.items() if branch in listed}
            for branch, commit in found.items():
                commits = self._commits(repository, branch, known.get(branch), commit, say)
                if all(self._run(repository, branch, each, say) for each in commits):
                    done[branch] = commit
            if done != known:
                push_record.write_branch_commits(self.store, repository.url, done)
            return found.items() <= done.items()

    def _commits(
        self, repository: RemoteRepository, branch: str, before: str | None, commit: str, say: Say
    ) -> list[str]:
        """What of a branch is to run, oldest first."""
        if not self.every or before is None:
            return [commit]
        found = repository.since(before, commit)
        if found is None or len(found) > MAX_COMMITS:
            why = f"{branch} was rewritten, or has over {MAX_COMMITS} new commits"
            say(f"{repository.url} {one_line(why)}: only the newest runs")
            return [commit]
        return found or [commit]

    def _run(self, repository: RemoteRepository, branch: str, commit: str, say: Say) -> bool:
        """Run the files of a commit that name its branch; whether there is nothing to try again."""
        where = f"{repository.url} {one_line(branch)} {commit[:7]}"
        files = list(repository.files(commit))
        if not files:
            say(f"{where}: no workflow files: {FOLDER}/ has no .yaml or .yml")
        done = True
        for path, data in files:
            push = Push(repository.url, branch, commit, path)
            try:
                _say(say, push, self._file(push, data))
            except TextgenError as error:
                _say(say, push, str(error))
                done = False
        return done

    def _file(self, push: Push, data: bytes) -> str:
        """What became of a file, in a line; empty for one that runs for other branches only."""
        checked = check(Path(push.file), data)
        if checked.trigger and push.branch not in checked.trigger.branches:
            return ""
        if held := push_record.read_push_record(self.store, push):
            return "" if held.error else f"is {held.run} already"
        if checked.workflow is None:
            return self._refused(
                push, str(next(each for each in checked.diagnostics if each.severity is Severity.ERROR))
            )
        if checked.trigger is None:
            return "no push starts it: it has no on: {github: {branches: {only: BRANCH}}}"
        try:
            made = push_workflow.compile_push(push, checked.workflow, self.cluster)
        except InputError as error:
            return self._refused(push, str(error))
        return self._submitted(push, made)

    def _submitted(self, push: Push, made: Object) -> str:
        for _ in range(_ATTEMPTS):
            try:
                workflow = push_workflow.create_workflow(self.api, made)
            except ApiError as error:
                if error.status in _INVALID:
                    return self._refused(push, str(error))
                raise
            if workflow:
                return self._admitted(push, workflow)
            if held := push_record.read_push_record(self.store, push):
                return f"is {held.run} already"
        raise ClusterError(f"Workflow {push.run} comes and goes: is somebody deleting it?")

    def _admitted(self, push: Push, workflow: Object) -> str:
        """Start the Workflow if it is the one that the record names, or can be made so."""
        uid = workflow["metadata"]["uid"]
        held = push_record.put_push_record(self.store, push, PushRecord(push.run, uid))
        if held.uid != uid:  # its run was there, and has been deleted since
            if push_workflow.is_waiting(workflow):
                push_workflow.discard_workflow(self.api, workflow)
            return f"was {push.run} already"
        if not push_workflow.is_waiting(workflow):
            return f"is {push.run} already"
        if self.statuses:
            self.statuses.post(push, CommitState.PENDING, f"submitted as {push.run}")
        push_workflow.start_workflow(self.api, workflow)
        return f"submitted {push.run} to {self.api}"

    def _refused(self, push: Push, reason: str) -> str:
        """Say where people look that the file can't run, and remember that it was said."""
        line = one_line(reason)
        events.report_invalid_file(self.api, push, line)
        if self.statuses:
            self.statuses.post(push, CommitState.ERROR, line)
        push_record.put_push_record(self.store, push, PushRecord(push.run, error=line))
        return f"can't run: {line}"

    def _report(self, push: Push, workflow: Object) -> None:
        found = runs.to_run_record(workflow)
        made = ", ".join(version for job in found.jobs.values() for version in job.outputs.values())
        failed = (f"{name}: {job.message}" for name, job in found.jobs.items() if job.message)
        text = f"made {made}" if made else str(found.phase)
        if found.phase is not Phase.SUCCEEDED:
            text = next(failed, found.message or text)
        state = _STATES.get(found.phase, CommitState.ERROR)
        if self.statuses and self.statuses.post(push, state, f"{push.run}: {text}"):
            push_workflow.mark_reported(self.api, workflow)


def _say(say: Say, push: Push, what: str) -> None:
    if what:
        say(f"{push.url} {push}: {what}")
