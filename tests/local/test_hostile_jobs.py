"""A job that is written to get out changes nothing outside of `.textgen`, whoever runs it."""

import asyncio
import hashlib
import os
import shutil
import socket
import stat
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from argo.local import launcher, sandbox
from argo.local.launcher import FIRST_ID
from argo.local.process import run_process
from argo.local.runtime import Task
from argo.local.sandbox import Sandbox
from tests.local.conftest import Repository, script, workflow
from tests.local.test_interruption import processes
from tests.local.users import User, user

__all__ = ["user"]

ROOT = Path(__file__).parents[2]
JOB = Path(__file__).with_name("hostile_job.py")
KERNEL = (
    "/proc/sys/kernel/core_pattern",
    "/proc/sys/kernel/hostname",
    "/proc/sys/vm/swappiness",
)


@pytest.fixture
def victim() -> Iterator[int]:
    """A process of the machine."""
    with subprocess.Popen(["sleep", "600"]) as process:
        yield process.pid
        assert process.poll() is None, "killed"
        process.kill()


@pytest.fixture
def abstract_socket() -> Iterator[str]:
    name = f"textgen-test-{os.urandom(6).hex()}"
    if launcher.landlock_version() < launcher.LANDLOCK_WITH_SCOPES:
        yield name  # nobody listens: such a kernel does not keep a job from it
        return
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(f"\0{name}")
        server.listen()
        yield name


@pytest.fixture
def listening() -> Iterator[str]:
    """A path in a folder that jobs see, where something listens that everybody may connect to."""
    path = Path(sys.prefix, f"textgen-test-{os.urandom(6).hex()}")
    try:
        with socket.socket(socket.AF_UNIX) as server:
            server.bind(str(path))
            path.chmod(0o777)
            server.listen()
            yield str(path)
    finally:
        path.unlink(missing_ok=True)


def look(folder: Path) -> list[str]:
    """What a job could have changed: files beside its own, settings of the kernel, mounts."""
    files = [path for path in folder.rglob("*") if ".textgen" not in path.parts]
    modes = [f"{path} {path.lstat().st_mode:o}" for path in files]
    return [*modes, *(path.read_text() for path in map(Path, KERNEL)), *contents(files)]


def contents(paths: list[Path]) -> list[str]:
    return [hashlib.sha256(path.read_bytes()).hexdigest() for path in paths if path.is_file()]


def lines(log: str, word: str) -> list[str]:
    return [line for line in log.splitlines() if line.startswith(word)]


CLONE = "outputs: {repo: {type: volume}}\nuses: git-checkout@v1\nwith: {url: context.event.github.url}"


def test_no_attempt_to_get_out_succeeds(
    user: User, victim: int, abstract_socket: str, listening: str
) -> None:
    folder = user.repository.root.parent
    shutil.copy(JOB, user.repository.root)
    secret = folder / "home/secret"
    secret.write_text("private")
    private = [secret, user.repository.root / ".git", ROOT / "pyproject.toml"]
    private += map(Path, ("/etc/shadow", "/run/dbus", "/root/.ssh"))
    words = " ".join(map(str, [victim, abstract_socket, listening, *private]))
    job = script(
        f"python3 /inputs/repo/{JOB.name} {words}", needs="[clone]", inputs="{repo: clone.outputs.repo}"
    )
    text = workflow(clone=CLONE, job=job)
    user.write(text)
    before = look(folder)
    done = user.run()
    log = user.log()
    assert "end of the attempts" in log, log
    assert lines(log, "DONE") + lines(log, "UNCLEAR") == [], log
    assert len(lines(log, "refused")) > 60
    assert look(folder) == before
    assert "\033" not in done.stdout


# CHOWN, DAC_OVERRIDE, FOWNER, FSETID, KILL, SETGID, SETUID, SETPCAP, NET_BIND_SERVICE, SYS_CHROOT
CAPABILITIES = 0x405FB
DEVICES = {
    *("core", "fd", "full", "null", "ptmx", "pts", "random", "shm"),
    *("stderr", "stdin", "stdout", "tty", "urandom", "zero"),
}
READ_ONLY = ("/sys", "/proc/sys")


def test_a_job_has_namespaces_of_its_own_and_few_capabilities_in_them(user: User) -> None:
    text = """
        for name in user mnt pid ipc; do readlink /proc/self/ns/$name; done
        cat /proc/self/uid_map /proc/self/gid_map
        grep -E '^(CapInh|CapPrm|CapEff|CapAmb|NoNewPrivs|Seccomp):' /proc/self/status
        ls /dev
        awk '{print "mount", $5, $6}' /proc/self/mountinfo
    """
    user.write(workflow(job=script(text)))
    user.run()
    found = [line.split() for line in user.log().splitlines()]
    assert {line[0] for line in found[:4]}.isdisjoint(
        str(path.readlink()) for path in Path("/proc/self/ns").iterdir()
    )
    ids = ["0", str(FIRST_ID), "65536"] if user.uid == 0 else ["0", str(user.uid), "1"]
    assert found[4:6] == [ids, ids]
    status = {line[0]: int(line[1], 16) for line in found[6:12]}
    assert status == {
        **{f"Cap{name}:": CAPABILITIES for name in ("Inh", "Prm", "Eff", "Amb")},
        "NoNewPrivs:": 1,
        "Seccomp:": 2,
    }
    devices = {line[0] for line in found[12:] if line[0] != "mount"}
    assert devices <= DEVICES | {path.name for path in sandbox._gpus()}
    options = {line[1]: line[2].split(",")[0] for line in found[12:] if line[0] == "mount"}
    assert [options[path] for path in READ_ONLY] == ["ro"] * len(READ_ONLY)


def test_what_a_job_leaves_is_not_setuid_and_its_callers_to_remove(user: User) -> None:
    text = """
        for folder in /storage /outputs/v "$HF_HOME" /inputs/shared; do
          cp /bin/true $folder/program && chmod 6755 $folder/program
          mkdir -p $folder/locked/in; touch $folder/locked/in/file; chmod 0 $folder/locked/in $folder/locked
          mkdir $folder/folder && chmod 2755 $folder/folder
          ln -s /bin/su $folder/link
        done
        chown 1:1 /storage/program && chmod 6755 /storage/program
        false
    """
    job = script(text, outputs="{v: {type: volume}}", inputs="{shared: {type: volume}}")
    after = script("true", needs="[job]", inputs="{v: job.outputs.v, shared: {type: volume}}")
    user.write(workflow(job=job, after=after))
    user.run()
    folder = user.repository.root / ".textgen"
    files = [path for path in folder.rglob("*") if not path.is_symlink()]
    assert len([path for path in files if path.name == "program"]) >= 2, user.log()
    assert not list(folder.glob("runs/*/jobs/job/outputs"))
    assert [path for path in files if path.stat().st_mode & (stat.S_ISUID | stat.S_ISGID)] == []
    owners = {path.lstat().st_uid for path in folder.rglob("*")}
    assert owners == ({0, FIRST_ID + 1} if user.uid == 0 else {user.uid})
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    remove = [*user.command[:-1], "rm", "-rf", str(folder)]
    assert subprocess.run(remove, capture_output=True, text=True, check=False).stderr == ""
    assert not folder.exists()


FORKS = """
import os, time
for uid in range(4):  # each of the job's users has a limit, and all of them together
    try:
        os.setresuid(uid, uid, 0)
    except OSError:
        pass
    try:
        for _ in range(250):  # no danger to this machine if nothing stops it
            if os.fork() == 0:
                time.sleep(300)
    except BlockingIOError:
        print("refused")
print(len([name for name in os.listdir("/proc") if name.isdigit()]))
"""


def test_a_job_that_forks_without_end_stops_at_its_limit(user: User) -> None:
    user.repository.write("forks.py", FORKS)
    job = script("python3 /inputs/repo/forks.py", needs="[clone]", inputs="{repo: clone.outputs.repo}")
    user.write(workflow(clone=CLONE, job=job))
    user.run("prlimit", "--nproc=400:400")  # a job gets no more than whoever starts it
    *refusals, processes = user.log().split()
    assert refusals == ["refused"] * 3
    assert 250 < int(processes) <= 400


def test_processes_that_a_job_leaves_behind_end_with_it(user: User) -> None:
    mark = f"textgen-test-{os.urandom(6).hex()}"
    job = script(
        f"""
        trap '' TERM HUP
        (setsid bash -c 'exec -a {mark} sleep 300' < /dev/null > /dev/null 2>&1 &)
        until grep -q {mark} /proc/[0-9]*/cmdline; do sleep 0.01; done; echo started
        """
    )
    user.write(workflow(job=job))
    assert user.run().returncode == 0
    assert "started" in user.log()
    assert processes(mark) == []


SLOW = """
import os, sys, time
os.sched_setscheduler(1, os.SCHED_IDLE, os.sched_param(0))
os.sched_setaffinity(1, {max(os.sched_getaffinity(0))})
for _ in range(8):
    if os.fork() == 0:
        os.setsid()
        os.sched_setaffinity(0, {max(os.sched_getaffinity(0))})
        for descriptor in range(3):
            os.close(descriptor)
        end = time.monotonic() + 2
        while time.monotonic() < end:
            pass
        os._exit(0)
"""


def test_a_job_has_ended_when_none_of_its_processes_is_left(repository: Repository) -> None:
    """Those that are left keep the processor from process 1, which has to end before them."""
    mark = f"textgen-test-{os.urandom(6).hex()}"
    task = Task("job", "", ("python3", "-c", SLOW, mark), (), {}, frozenset(), [])
    command, env = Sandbox().build_command(task)
    for _ in range(3):
        assert asyncio.run(run_process(command, env=env, write_line=print)) == 0
        assert processes(mark) == []


def test_processes_without_a_parent_leave_no_zombies(user: User) -> None:
    text = """
        count() { set -- /proc/[0-9]*; echo $#; }
        before=$(count)
        for number in {1..20}; do (setsid true &); done
        for attempt in {1..600}; do [ $(count) -gt $before ] || break; sleep 0.1; done
        cat /proc/[0-9]*/stat 2> /dev/null | awk '$3 == "Z" {print "zombie"}'; echo end
    """
    user.write(workflow(job=script(text)))
    user.run()
    assert user.log().splitlines() == ["end"]


def test_the_dynamic_linker_gets_no_variable_of_a_job_outside(repository: Repository, tmp_path: Path) -> None:
    """With LD_PRELOAD and LD_LIBRARY_PATH, it ran code of the repository there, or in process 1."""
    for folder in (str(tmp_path), "/storage"):
        env = f"{{LD_DEBUG: files, LD_DEBUG_OUTPUT: {folder}/written}}"
        outcome = repository.run(workflow(job=script("echo $LD_DEBUG; ls /storage; true", env=env)))
        assert "files" in outcome.log("job").splitlines()
    assert not list(tmp_path.glob("written*"))
    assert "written.2" in outcome.log("job").splitlines()
    assert "written.1" not in outcome.log("job").splitlines()


@pytest.mark.parametrize("root", ["", "/oldroot"])  # what bubblewrap calls it while it mounts
def test_a_link_in_the_model_cache_leads_nowhere(user: User, root: str) -> None:
    folder = user.repository.root.parent
    (folder / "home/hub/models--of--user").mkdir(parents=True)
    (folder / "outside/models--empty").mkdir(parents=True)
    user.environment["HF_HUB_CACHE"] = str(folder / "home/hub")
    job = script(f"rm -rf $HF_HOME/hub; ln -s {root}{folder}/outside $HF_HOME/hub")
    user.write(workflow(job=job))
    before = look(folder)
    assert user.run().returncode == 0
    user.run()
    assert look(folder) == before
