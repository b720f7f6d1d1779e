"""Takes the guards of the code out, one by one, and says which of them no test misses.

    python bench/mutants.py [WORD ...]

Each mutant is a guard's text, what stands there without the guard, and the tests that must fail then. They
run in a copy of the working tree, with an environment of its own, and first once with all guards. WORDs
choose mutants by a part of their file or text. The exit status is 1 if a mutant survived, if its text is not
in the file any more, or if the file is no Python with it.
"""

import ast
import os
import re
import resource
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import NamedTuple

import click

ROOT = Path(__file__).parents[1]
_NO_TESTS = (4, 5)  # of pytest: wrong arguments, no test was found
_TIMEOUT = 180  # seconds; a mutant that hangs is noticed, too
_MEMORY = 4 << 30  # bytes of addresses for each process; so is one that reads a huge file whole


class Mutant(NamedTuple):
    """`tests` are words for pytest. Of several places with the same text, it is the first."""

    file: str
    guard: str
    replacement: str
    tests: str


_FILES = "job/files.py"
_DIRECTORY = "job/storage/directory.py"
_FETCH = "job/datasets/fetch.py"
_UNTRUSTED = "job/untrusted_files.py"
_GIT = "job/checkout/git.py"
_SPEC = "job/pod/spec.py"
_VALUES = "job/pod/values.py"
_SHARD_INPUTS = "job/pod/shards/inputs.py"
_PARTS = "job/pod/shards/parts.py"
_INPUTS = "job/pod/inputs.py"
_POD = "argo/compile/pod.py"
_WORKFLOW = "argo/compile/workflow.py"
_SANDBOX = "argo/local/sandbox.py"
_LAUNCHER = "argo/local/launcher.py"
_MACHINE = "argo/local/machine.py"
_MODEL_CACHE = "argo/local/model_cache.py"
_SUPERVISOR = "argo/local/supervisor.py"
_ENVIRONMENT = "argo/local/environment.py"
_RUN_FOLDER = "argo/local/run_folder.py"
_REPOSITORY = "argo/repository.py"

_TEST_UNTRUSTED = "tests/job/test_untrusted_files.py"
_TEST_POD = "tests/compile/test_pod.py"
_TEST_SPEC = "tests/pod/test_spec.py"
_TEST_INPUTS = "tests/pod/test_inputs.py"
_TEST_SHARD_INPUTS = "tests/shards/test_shard_inputs.py"
_TEST_PARTS = "tests/shards/test_parts.py"
_TEST_CHECKOUT = "tests/checkout/test_checkout.py tests/checkout/test_names.py"
_TEST_HOSTILE = "tests/local/test_hostile_jobs.py"
_TEST_OWN = f"{_TEST_HOSTILE} -k namespaces"
_TEST_ATTEMPTS = f"{_TEST_HOSTILE} -k attempt"
_TEST_LEFT = f"{_TEST_HOSTILE} -k setuid"
_TEST_ENVIRONMENT = "tests/local/test_environment.py"
_TEST_USER_FILES = "tests/local/test_user_files.py"
_TEST_REPOSITORIES = "tests/local/test_hostile_repositories.py"
_TEST_TEXT = "tests/job/test_text.py"
_TEST_SHOWN = "tests/cli/test_show_run.py"

MUTANTS = (
    # What is acknowledged outlives a crash
    Mutant(_FILES, "os.fsync(file.fileno())", "pass", "tests/job/test_files.py"),
    Mutant(_FILES, "            file.flush()\n", "", "tests/job/test_files.py"),
    Mutant(_FILES, "        sync_folder(path.parent)", "        pass", "tests/job/test_files.py"),
    Mutant(
        _FILES,
        "        partial.replace(path)\n        sync_folder(path.parent)",
        "        sync_folder(path.parent)\n        partial.replace(path)",
        "tests/job/test_files.py",
    ),
    Mutant(
        _FILES,
        "fcntl.flock(descriptor, kind if blocking else kind | fcntl.LOCK_NB)",
        "pass",
        "tests/job/test_files.py",
    ),
    Mutant(_DIRECTORY, "os.fsync(file.fileno())", "pass", "tests/storage/test_directory.py"),
    Mutant(_DIRECTORY, "                file.flush()\n", "", "tests/storage/test_directory.py"),
    Mutant(
        _DIRECTORY,
        "            sync_folder(folder.parent)",
        "            pass",
        "tests/storage/test_directory.py",
    ),
    Mutant(
        _DIRECTORY, "        sync_folder(target.parent)", "        pass", "tests/storage/test_directory.py"
    ),
    Mutant(_FETCH, "os.fsync(local.fileno())", "pass", "tests/datasets/test_fetch.py -k appears"),
    Mutant(_FETCH, "        local.flush()\n", "", "tests/datasets/test_fetch.py -k appears"),
    Mutant(_FETCH, "            _sync_folders(partial)\n", "", "tests/datasets/test_fetch.py -k appears"),
    Mutant(_FETCH, "            sync_folder(target.parent)\n", "", "tests/datasets/test_fetch.py -k appears"),
    Mutant(
        "job/generate/outputs.py",
        "        os.fsync(self._descriptor)\n",
        "",
        "tests/generate/test_outputs.py",
    ),
    # What a manifest or a dataset says
    Mutant("job/datasets/manifest.py", "if find_problem(path)]", "if False]", "tests/datasets/test_fetch.py"),
    Mutant(
        "job/datasets/manifest.py",
        "wrong += find_overlapping(entries)",
        "pass",
        "tests/datasets/test_fetch.py",
    ),
    Mutant("job/storage/paths.py", '".." in parts', "False", "tests/storage/test_paths.py"),
    Mutant("job/storage/paths.py", 'path.startswith("/")', "False", "tests/storage/test_paths.py"),
    Mutant(
        "job/datasets/manifest.py", "int(text, 8) & 0o777", "int(text, 8)", "tests/datasets/test_fetch.py"
    ),
    # What a job has made
    Mutant(
        _UNTRUSTED,
        "os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW",
        "os.O_RDONLY | os.O_DIRECTORY",
        _TEST_UNTRUSTED,
    ),
    Mutant(
        _UNTRUSTED,
        "os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK",
        "os.O_RDONLY | os.O_NONBLOCK",
        _TEST_UNTRUSTED,
    ),
    Mutant(_UNTRUSTED, "if not stat.S_ISREG(os.fstat(descriptor).st_mode):", "if False:", _TEST_UNTRUSTED),
    Mutant(_UNTRUSTED, "os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW", "os.O_CREAT", _TEST_UNTRUSTED),
    Mutant(
        _UNTRUSTED, "        if len(body) > limit:\n", "        if False:\n", f"{_TEST_UNTRUSTED} -k bounded"
    ),
    Mutant(_UNTRUSTED, 'path.count("/") >= DEEPEST', "False", f"{_TEST_UNTRUSTED} -k deep"),
    Mutant(_UNTRUSTED, "next(numbers) > MOST_ENTRIES", "False", f"{_TEST_UNTRUSTED} -k many"),
    Mutant("job/untrusted_json.py", "    if depth < 0:", "    if False:", "tests/job/test_untrusted_json.py"),
    Mutant(_UNTRUSTED, "_PERMISSIONS = 0o777 ", "_PERMISSIONS = 0o7777 ", _TEST_UNTRUSTED),
    Mutant("job/datasets/tree.py", " or not real.is_relative_to(base)", "", "tests/datasets/test_tree.py"),
    Mutant(
        "job/pod/volume.py", "    if not folder.is_folder():", "    if False:", "tests/pod/test_volume.py"
    ),
    Mutant(
        "job/pod/volume.py",
        "if any(str(above) in links",
        "if False and any(str(above) in links",
        "tests/pod/test_volume.py",
    ),
    Mutant("job/datasets/commit.py", "mode=entry.mode & modes", "mode=modes", "tests/pod/test_modes.py"),
    Mutant("job/pod/commit.py", "modes=modes.get(name)", "modes=None", "tests/pod/test_modes.py"),
    Mutant("job/pod/handoff.py", "return stat.S_ISREG(", "return bool(", "tests/pod/test_store.py"),
    Mutant(
        "argo/local/job_folders.py",
        "    if not UntrustedPath.at(outputs_folder(run, job.name) / output.name).is_folder():",
        "    if False:",
        "tests/local/test_job_folders.py -k not_one",
    ),
    # What a spec of a pod may name
    Mutant(_VALUES, "if not variables or not re.fullmatch(variables, name):", "if False:", _TEST_SPEC),
    Mutant(_VALUES, "re.fullmatch(variables, name)", "re.search(variables, name)", _TEST_SPEC),
    Mutant(_VALUES, 'KEY_VARIABLES = "SECRET_.+"', 'KEY_VARIABLES = "SECRET_.+|GIT_.+"', _TEST_SPEC),
    Mutant(_SPEC, "{INPUTS, OUTPUTS}.isdisjoint(path.parents)", "False", _TEST_SPEC),
    Mutant(_SPEC, ' or ".." in path.parts', "", _TEST_SPEC),
    Mutant(_SPEC, "path in other.parents for path in paths", "False for path in paths", _TEST_SPEC),
    Mutant(_SPEC, ' or "/" in name for', " for", _TEST_SPEC),
    Mutant(_SPEC, "    spec.check_paths()", "    pass", _TEST_SPEC),
    Mutant(_SPEC, "        if self.shard:", "        if False:", _TEST_SPEC),
    Mutant(_SPEC, "_check_names(self.outputs, ", "print(self.outputs, ", _TEST_SPEC),
    # What shards take of a plan and of earlier pods
    Mutant(_SHARD_INPUTS, "if name in self.sizes:", "if True:", _TEST_SHARD_INPUTS),
    Mutant(_SHARD_INPUTS, "if not 0 <= start <= end <= size:", "if False:", _TEST_SHARD_INPUTS),
    Mutant(_SHARD_INPUTS, "if digest.hexdigest() != piece.sha256:", "if False:", _TEST_SHARD_INPUTS),
    Mutant(_PARTS, " and hashlib.sha256(body).hexdigest() == part.sha256", "", "tests/shards -k damaged"),
    Mutant(_PARTS, "self._put_newest(RECORD, self._read(RECORD))  # who", "# who", _TEST_PARTS),
    Mutant("job/pod/shards/lines.py", "left or digest.hexdigest() != lines.sha256", "left", _TEST_PARTS),
    Mutant(
        _INPUTS,
        "if isinstance(step, CheckoutStep | S3Step) and (shared := _find_in_shared_volume(path)):",
        "if False and (shared := _find_in_shared_volume(path)):",
        f"{_TEST_INPUTS} -k shared",
    ),
    Mutant(
        "argo/cluster/kubeconfig.py",
        "    if reasons:\n",
        "    if False:\n",
        "tests/cluster/test_kubeconfig.py",
    ),
    # Who has what in a pod
    Mutant(
        _WORKFLOW, "automount_service_account_token=False", "automount_service_account_token=True", _TEST_POD
    ),
    Mutant(_WORKFLOW, "archive_logs=False", "archive_logs=True", _TEST_POD),
    Mutant(_POD, 'mount("outputs", read_only=True),', 'mount("outputs"),', _TEST_POD),
    Mutant(_POD, "mount_path=str(VERDICT), read_only=True)", "mount_path=str(VERDICT))", _TEST_POD),
    Mutant(
        "argo/compile/compiled_job.py",
        "{SPEC: template_safe_json(commit_spec.to_json())}",
        "{SPEC: template_safe_json(commit_spec.to_json()), **STORE_ENVIRONMENT}",
        _TEST_POD,
    ),
    Mutant(_POD, '"init,wait,main,commit"', '"init,wait"', _TEST_POD),
    Mutant(
        "argo/compile/volumes.py",
        'str(NOTES), read_only=True),\n        m.VolumeMount(name="shm"',
        'str(NOTES)),\n        m.VolumeMount(name="shm"',
        _TEST_POD,
    ),
    Mutant(
        "argo/compile/security.py",
        '"allowPrivilegeEscalation": False',
        '"allowPrivilegeEscalation": True',
        _TEST_POD,
    ),
    # What git is given
    Mutant(_GIT, '("protocol.allow", "never")', '("protocol.allow", "always")', _TEST_CHECKOUT),
    Mutant(_GIT, 'rest.startswith("-") or host.startswith("-")', "False", _TEST_CHECKOUT),
    Mutant(_GIT, "scheme.lower() in _SCHEMES and", "", _TEST_CHECKOUT),
    Mutant(_GIT, " and not _NOT_IN_REF.search(text)", "", _TEST_CHECKOUT),
    Mutant(_GIT, '("core.hooksPath", "/dev/null"), ', "", _TEST_CHECKOUT),
    Mutant(
        _GIT,
        '("core.hooksPath", "/dev/null"), ("core.fsmonitor", "false"), ',
        '("core.hooksPath", "/dev/null"), ',
        (_TEST_CHECKOUT),
    ),
    Mutant(_GIT, 'f"credential.{origin}.helper"', '"credential.helper"', _TEST_CHECKOUT),
    Mutant(_GIT, "if parts.password or env.get(PASSWORD):", "if False:", _TEST_CHECKOUT),
    Mutant(_GIT, """for scheme in ("https", "ssh", "git")]""", "for scheme in _SCHEMES[:4]]", _TEST_CHECKOUT),
    Mutant(_GIT, "        url = _without_userinfo(parts)\n", "        pass\n", _TEST_CHECKOUT),
    Mutant(_GIT, 'in {"http", "https"}:\n        url', 'in {"https"}:\n        url', _TEST_CHECKOUT),
    Mutant(_GIT, '"always" if parts.scheme == "file" else "user"', '"always"', _TEST_CHECKOUT),
    Mutant(
        "job/checkout/checkout.py",
        "if is_local(url) or not is_url(url):",
        "if not is_url(url):",
        "tests/checkout/test_private.py -k machine",
    ),
    Mutant("job/checkout/checkout.py", "    if ref and not is_ref(ref):", "    if False:", _TEST_CHECKOUT),
    # Where keys and tokens go
    Mutant(
        "argo/trigger/git_hosts.py", "and len(hosts) > 1", "and False", "tests/trigger/test_poll_command.py"
    ),
    Mutant(
        "argo/trigger/commit_status.py",
        "build_opener(_NoRedirect)",
        "build_opener()",
        ("tests/trigger/test_commit_status.py"),
    ),
    Mutant(
        "argo/trigger/git_hosts.py",
        'elif parts.scheme == "https":',
        "elif True:",
        "tests/trigger/test_commit_status.py",
    ),
    Mutant(
        "job/checkout/download.py",
        "signature_version=None if keys else UNSIGNED",
        "signature_version=None",
        ("tests/checkout/test_download.py"),
    ),
    Mutant(
        "job/checkout/download.py",
        "ignore_configured_endpoint_urls=True",
        "ignore_configured_endpoint_urls=False",
        "tests/checkout/test_download.py",
    ),
    # The sandbox of a local run
    Mutant(_SANDBOX, '"--unshare-pid", "--as-pid-1"', '"--die-with-parent"', _TEST_OWN),
    Mutant(_SANDBOX, ', "--as-pid-1"', "", _TEST_ATTEMPTS),
    Mutant(_SANDBOX, '"--unshare-ipc", ', "", _TEST_OWN),
    Mutant(_SANDBOX, '    words += ["--cap-drop", "ALL"]\n', "", _TEST_OWN),
    Mutant(_SANDBOX, '("/sys", *filter(', '("/dev/null", *filter(', _TEST_OWN),
    Mutant(_SANDBOX, ", *filter(os.path.exists, _SETTINGS))", ",)", _TEST_OWN),
    Mutant(_SANDBOX, '"--dev", "/dev"', '"--dev-bind", "/dev", "/dev"', _TEST_OWN),
    Mutant(_SANDBOX, "*covered_sockets(_needed()), ", "", "tests/local/test_sandbox.py -k listens"),
    Mutant(_SANDBOX, '{f"{supervisor.VARIABLE}{name}": value', "{name: value", f"{_TEST_HOSTILE} -k linker"),
    Mutant(
        _SANDBOX,
        ' if env.get(name, "") == os.environ.get(name)',
        " if name in env",
        _TEST_USER_FILES,
    ),
    Mutant(_LAUNCHER, '"--seccomp", str(_hold(file.read()))', "", _TEST_ATTEMPTS),
    Mutant(_SANDBOX, 'ids="", hidden=()', "hidden=()", "tests/local/test_sandbox.py -k overlay"),
    Mutant(_LAUNCHER, "    _cut_off_abstract_sockets()\n", "", _TEST_ATTEMPTS),
    Mutant(_LAUNCHER, "    _limit_processes(int(processes))\n", "", "tests/local/test_sandbox.py -k limit"),
    Mutant(_LAUNCHER, "_libc.setresuid(FIRST_ID, FIRST_ID, FIRST_ID) or ", "", f"{_TEST_HOSTILE} -k forks"),
    Mutant(_LAUNCHER, '"machine": f"0 {FIRST_ID}', '"machine": f"0 0', _TEST_OWN),
    Mutant(_SUPERVISOR, "prctl(_PR_SET_DUMPABLE, 0,", "prctl(_PR_SET_DUMPABLE, 1,", _TEST_ATTEMPTS),
    Mutant(_SUPERVISOR, "    signal.signal(signal.SIGINT, signal.SIG_DFL)\n", "", _TEST_ATTEMPTS),
    Mutant(_SUPERVISOR, "-1 if os.getpid() == 1 else ", "", f"{_TEST_HOSTILE} -k zombies"),
    Mutant(_MACHINE, '"usr", "var")', '"tmp", "usr", "var")', _TEST_ATTEMPTS),
    Mutant(_MACHINE, "parts = [_hide_secrets(part) for part in parts]", "pass", _TEST_ATTEMPTS),
    Mutant(_MODEL_CACHE, "not _is_model(path)", "not path.exists()", _TEST_USER_FILES),
    Mutant(_MODEL_CACHE, "            _check_is_no_link(name, part)\n", "", _TEST_USER_FILES),
    Mutant(_MODEL_CACHE, "if part.is_relative_to(home.resolve())", "if False", _TEST_USER_FILES),
    Mutant("argo/local/plan.py", "model_mounts(parameters,", "model_mounts(values,", _TEST_USER_FILES),
    Mutant("argo/local/runner.py", "        restrict_what_stays(state.plan.project, run)\n", "", _TEST_LEFT),
    Mutant(_RUN_FOLDER, "self.home.chmod(0o700)", "pass", _TEST_LEFT),
    Mutant(_UNTRUSTED, "        restrict_modes(folder)\n", "", _TEST_LEFT),
    Mutant(_UNTRUSTED, " & ~(stat.S_ISUID | stat.S_ISGID)", "", _TEST_LEFT),
    # What somebody else's repository may bring
    Mutant(_REPOSITORY, ', ("safe.bareRepository", "explicit")', "", _TEST_REPOSITORIES),
    Mutant(_REPOSITORY, ", config=_disable_filters(root))", ")", _TEST_REPOSITORIES),
    Mutant(_REPOSITORY, "(root, *_find_submodules(root))", "(root,)", _TEST_REPOSITORIES),
    Mutant(_REPOSITORY, "if scope in {", "if scope not in {", _TEST_REPOSITORIES),
    Mutant(_REPOSITORY, "own.samefile(folder_of_git)", "True", _TEST_REPOSITORIES),
    Mutant(_REPOSITORY, '"..", ".git"}', '".."}', _TEST_REPOSITORIES),
    Mutant(_RUN_FOLDER, "if is_tracked(home):", "if False:", _TEST_REPOSITORIES),
    Mutant(_RUN_FOLDER, "if home.is_symlink():", "if False:", _TEST_REPOSITORIES),
    Mutant(_RUN_FOLDER, "if str(home.stat().st_uid) not in users:", "if False:", _TEST_REPOSITORIES),
    Mutant(_RUN_FOLDER, "if path.is_symlink():", "if False:", _TEST_REPOSITORIES),
    Mutant("argo/local/retry.py", "for each in saved.env if", "for each in () if", _TEST_REPOSITORIES),
    Mutant(_REPOSITORY, '(hooks / "pre-auto-gc").exists() or ', "", _TEST_REPOSITORIES),
    Mutant(_REPOSITORY, "or source.parent.resolve() != ", "and False != ", _TEST_REPOSITORIES),
    # Which variables a local job gets
    Mutant(_ENVIRONMENT, " if re.fullmatch(inherited, name)}", "}", _TEST_ENVIRONMENT),
    Mutant(_ENVIRONMENT, " if not _holds_password(name, value)}", "}", _TEST_ENVIRONMENT),
    Mutant(_ENVIRONMENT, "in_url or (", "(", _TEST_ENVIRONMENT),
    Mutant(_ENVIRONMENT, '("@" in value and _PROXY_NAME.fullmatch(name)) or ', "", _TEST_ENVIRONMENT),
    Mutant(_ENVIRONMENT, " or _PASSWORD_NAME.fullmatch(name)", "", _TEST_ENVIRONMENT),
    Mutant(
        "argo/local/containers.py",
        "name if name in task.secret else",
        "",
        f"tests/local/test_runtimes.py {_TEST_ENVIRONMENT}",
    ),
    Mutant(
        "argo/local/secrets.py",
        '(*self._values.values(), self.token or "")',
        "self._values.values()",
        _TEST_ENVIRONMENT,
    ),
    Mutant(
        "argo/local/secrets.py",
        "{name: environ[name] for name in names if name in environ}",
        "environ",
        "tests/local/test_secrets.py",
    ),
    Mutant(
        "argo/local/plan.py",
        "not root or local_path(url) != root.resolve()",
        "False and not root",
        "tests/local/test_code_version.py -k clones",
    ),
    Mutant(
        "job/checkout/checkout.py",
        '[] if is_local(base) else [("protocol.file.allow", "user")]',
        "[]",
        "tests/local/test_code_version.py -k submodule",
    ),
    Mutant(
        _REPOSITORY,
        "if source == without or ",
        "if ",
        "tests/local/test_secrets.py -k checkout",
    ),
    # What is shown
    Mutant("job/text.py", "if c in keep or not _is_control(c) else", "if True else", _TEST_TEXT),
    Mutant("job/text.py", '{"Cc", "Cf", "Cs", "Zl", "Zp"}', '{"Cc", "Cs", "Zl", "Zp"}', _TEST_TEXT),
    Mutant("job/text.py", "{0,64}m", "*[mHJAK]", _TEST_TEXT),
    Mutant("job/text.py", "for line in text.splitlines())", 'for line in text.split("\\n"))', _TEST_TEXT),
    Mutant("job/text.py", r'_PUNCTUATION.sub(r"\\\g<0>", visible(text))', "visible(text)", _TEST_TEXT),
    Mutant("argo/cli/logs.py", "visible_line(line.text)", "line.text", _TEST_SHOWN),
    Mutant("argo/cli/progress.py", "{visible_line(text)}", "{text}", _TEST_SHOWN),
    Mutant("argo/cli/show_run.py", "{visible_line(line)}", "{line}", _TEST_SHOWN),
    Mutant(
        "ci/summary",
        "markdown_block(read_text(sources.datasets, after))",
        "read_text(sources.datasets, after)",
        "tests/ci/test_summary.py",
    ),
    Mutant("job/command.py", 'return visible(str(error), keep="\\n\\t")', "return str(error)", "tests/cli"),
)


@click.command()
@click.argument("words", nargs=-1)
def main(words: tuple[str, ...]) -> None:
    """Run the tests of each mutant, and print what became of it."""
    chosen = [each for each in MUTANTS if not words or any(word in each.file + each.guard for word in words)]
    missed = 0
    resource.setrlimit(resource.RLIMIT_AS, (_MEMORY, _MEMORY))  # the tests inherit it
    with _copy_tree() as copy:
        for tests in dict.fromkeys(mutant.tests for mutant in chosen):
            if (result := _run_tests(copy, tests)) != "passed":
                raise click.ClickException(f"pytest {tests}: {result} with all guards")
        for mutant in chosen:
            started = time.perf_counter()
            verdict = _run(copy, mutant)
            missed += verdict != "noticed"
            guard = " ".join(mutant.guard.split())
            print(f"{verdict:9} {time.perf_counter() - started:5.1f} s  {mutant.file}: {guard}", flush=True)
    print(f"{len(chosen)} mutants, {missed} survived or can't be made")
    sys.exit(missed > 0)


def _run(copy: Path, mutant: Mutant) -> str:
    file = copy / mutant.file
    text = file.read_text("utf-8")
    if mutant.guard not in text:
        return "NOT FOUND"
    mutated = text.replace(mutant.guard, mutant.replacement, 1)
    file.write_text(mutated, "utf-8")
    try:
        if file.suffix == ".py":
            ast.parse(mutated)
        return "noticed" if _run_tests(copy, mutant.tests) == "failed" else "SURVIVED"
    except SyntaxError:
        return "NO PYTHON"
    finally:
        file.write_text(text, "utf-8")


def _run_tests(copy: Path, tests: str) -> str:
    """`passed`, `failed`, or `skipped` if all were. Raises ClickException if there is no such test."""
    python = str(copy / ".venv/bin/python")
    command = [python, "-m", "pytest", "-qx", "-p", "no:cacheprovider", *tests.split()]
    with (
        tempfile.TemporaryFile("w+") as printed,  # no pipe, which a process that outlives pytest would hold
        subprocess.Popen(command, cwd=copy, stdout=printed, stderr=printed, start_new_session=True) as pytest,
    ):
        try:
            status = pytest.wait(_TIMEOUT)
        except subprocess.TimeoutExpired:
            status = 1
        finally:
            with suppress(ProcessLookupError):
                os.killpg(pytest.pid, signal.SIGKILL)
        printed.seek(0)
        text = printed.read()
    if status in _NO_TESTS:
        raise click.ClickException(f"pytest {tests}: status {status}\n{text}")
    if status:
        return "failed"
    return "passed" if re.search(r"\d passed", text) else "skipped"


@contextmanager
def _copy_tree() -> Iterator[Path]:
    """The working tree, with its uncommitted changes, and an environment that imports it."""
    listed = subprocess.run(
        ["git", "-C", ROOT, "ls-files", "-zco", "--exclude-standard"],
        capture_output=True,
        text=True,
        check=True,
    )
    with tempfile.TemporaryDirectory() as folder:
        Path(folder).chmod(0o755)  # tests become other users
        copy = Path(folder, "tree").resolve()
        for name in filter(None, listed.stdout.split("\0")):
            if (ROOT / name).is_file():
                (copy / name).parent.mkdir(parents=True, exist_ok=True)
                shutil.copy2(ROOT / name, copy / name)
        shutil.copytree(ROOT / ".venv", copy / ".venv", symlinks=True, copy_function=_link)
        texts = [*(copy / ".venv/bin").iterdir(), *(copy / ".venv").glob("lib/python3*/site-packages/*.pth")]
        for file in texts:
            original = file.readlink() if file.is_symlink() else file
            body = original.read_bytes() if original.is_file() and original.stat().st_size < 1 << 20 else b""
            if str(ROOT).encode() in body and b"\0" not in body:
                file.unlink()
                file.write_bytes(body.replace(str(ROOT).encode(), str(copy).encode()))
                file.chmod(0o755)
        subprocess.run(["git", "init", "-q"], cwd=copy, check=True)
        yield copy


def _link(source: str, target: str) -> None:
    """Link a file, or copy it: no symbolic link of the copy leads into the sandbox of a test."""
    try:
        os.link(source, target, follow_symlinks=False)
    except OSError:  # another file system
        shutil.copy2(source, target, follow_symlinks=False)


if __name__ == "__main__":
    main()
