"""Starts bubblewrap with what it can't do itself: limits, a Landlock domain and, for root, other user ids.

    python launcher.py SPEC BUBBLEWRAP ARGUMENTS...

SPEC is JSON: `filter`, the file of a seccomp filter; `processes`, how many processes and threads a job may
have; for `mounts`, `hidden` and `groups` see _enter_namespaces. The job's variables are JSON in
JOB_ENVIRONMENT: the dynamic linker of bubblewrap must not see them.

For root it makes a user namespace whose ids are those of no user of this machine. What the job sees is
mounted with the same ids (MOUNT_ATTR_IDMAP of mount_setattr(2)): the job's root owns it as on a machine of
its own, and what it writes belongs to root on this machine.

Run by its path, without the rest of this package: it starts in a few milliseconds.
"""

import ctypes
import errno
import json
import os
import resource
import stat
import struct
import sys
from pathlib import Path
from typing import NoReturn

# No user's and no container manager's: https://systemd.io/UIDS-GIDS
FIRST_ID = 2_000_000_000
# Where bubblewrap of root finds the mounts, by their numbers.
MOUNTS = Path("/tmp/mounts")  # noqa: S108
LAYERS = Path("/tmp/layers")  # noqa: S108
ENVIRONMENT = "JOB_ENVIRONMENT"
# From the ids on the disk to those of the job's user namespace. Of the machine's files each owner has one; of
# the caller's, root and what only jobs have made.
ID_MAPS = {
    "machine": f"0 {FIRST_ID} 65536\n",
    "caller": f"0 {FIRST_ID} 1\n{FIRST_ID + 1} {FIRST_ID + 1} 65535\n",
}

_CLONE_NEWNS, _CLONE_NEWUSER = 0x20000, 0x10000000
_MS_REC, _MS_PRIVATE = 0x4000, 0x40000
_AT_FDCWD, _AT_EMPTY_PATH = -100, 0x1000
# System calls without a function in every glibc; their numbers are the same on all architectures.
_OPEN_TREE, _MOVE_MOUNT, _MOUNT_SETATTR = 428, 429, 442
_LANDLOCK_CREATE_RULESET, _LANDLOCK_RESTRICT_SELF = 444, 446
_OPEN_TREE_CLONE, _MOVE_MOUNT_F_EMPTY_PATH = 1, 4
_MOUNT_ATTR_RDONLY, _MOUNT_ATTR_IDMAP = 1, 0x100000
_LANDLOCK_VERSION, _LANDLOCK_ABI_OF_SCOPES = 1, 6
_SCOPE_ABSTRACT_UNIX_SOCKET, _SCOPE_SIGNAL = 1, 2
_PR_SET_SECUREBITS, _SECBIT_NO_SETUID_FIXUP, _PR_SET_NO_NEW_PRIVS = 28, 4, 38

_libc = ctypes.CDLL(None, use_errno=True)


def main(argv: list[str]) -> NoReturn:
    """Replace this process by bubblewrap."""
    spec, bwrap, arguments = json.loads(argv[0]), argv[1], argv[2:]
    variables = json.loads(os.environ.pop(ENVIRONMENT, "{}"))
    words = [word for name, value in variables.items() for word in ("--setenv", name, value)]
    options = _hold("".join(f"{word}\0" for word in words).encode("utf-8", "surrogateescape"))
    seccomp = _hold(Path(spec["filter"]).read_bytes())
    _limit_processes(spec["processes"])
    if os.geteuid() == 0:
        _enter_namespaces(spec["mounts"], spec["hidden"], spec["groups"])
    _cut_off_abstract_sockets()
    more = ["--clearenv", "--args", str(options), "--seccomp", str(seccomp)]
    os.execve(bwrap, [bwrap, *more, *arguments], {})  # noqa: S606


def _hold(body: bytes) -> int:
    """A descriptor that reads these bytes, for bubblewrap too."""
    descriptor = os.memfd_create("textgen", 0)
    with open(descriptor, "wb", closefd=False) as file:
        file.write(body)
    os.lseek(descriptor, 0, os.SEEK_SET)
    return descriptor


def _limit_processes(most: int) -> None:
    _, hard = resource.getrlimit(resource.RLIMIT_NPROC)
    most = most if hard == resource.RLIM_INFINITY else min(most, hard)
    resource.setrlimit(resource.RLIMIT_NPROC, (most, most))


def _cut_off_abstract_sockets() -> None:
    """No connection to an abstract socket, and no signal, leaves this process and those that it starts.

    Abstract sockets belong to the network, which jobs share. It takes Linux 6.12.
    """
    version = _libc.syscall(_LANDLOCK_CREATE_RULESET, None, ctypes.c_size_t(0), _LANDLOCK_VERSION)
    if version < _LANDLOCK_ABI_OF_SCOPES:
        return
    _call(_libc.prctl(_PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0), "no_new_privs")
    attributes = struct.pack("QQQ", 0, 0, _SCOPE_ABSTRACT_UNIX_SOCKET | _SCOPE_SIGNAL)
    size = ctypes.c_size_t(len(attributes))
    ruleset = _call(_libc.syscall(_LANDLOCK_CREATE_RULESET, attributes, size, 0), "Landlock")
    _call(_libc.syscall(_LANDLOCK_RESTRICT_SELF, ruleset, 0), "Landlock")


def _enter_namespaces(mounts: list[list[str]], hidden: list[list[str]], groups: list[int]) -> None:
    """Become root of a user namespace, in a mount namespace that has each of `mounts` below MOUNTS.

    A mount is a path and the name of its map in ID_MAPS, or "": its files are nobody's for the job. `hidden`
    are, for each mount, paths below it: LAYERS gets a layer for overlayfs that removes them. `groups` are
    those of devices that jobs may use.
    """
    namespaces = {name: _make_user_namespace(ids) for name, ids in ID_MAPS.items()}
    trees = [_clone_mount(path, namespaces.get(ids), required=ids == "caller") for path, ids in mounts]
    _call(_libc.unshare(_CLONE_NEWNS), "a mount namespace")
    _call(_libc.mount(b"none", b"/", None, _MS_REC | _MS_PRIVATE, None), "/")
    _call(_libc.mount(b"textgen", bytes(MOUNTS.parent), b"tmpfs", 0, b"mode=755"), "a tmpfs")
    MOUNTS.mkdir()
    LAYERS.mkdir()
    for number, tree in enumerate(trees):
        path = MOUNTS / str(number)
        if stat.S_ISDIR(os.fstat(tree).st_mode):
            path.mkdir()
        else:
            path.touch()
        move = _libc.syscall(_MOVE_MOUNT, tree, b"", _AT_FDCWD, bytes(path), _MOVE_MOUNT_F_EMPTY_PATH)
        _call(move, mounts[number][0])
        os.close(tree)
        for name in hidden[number]:
            _remove_in_layer(LAYERS / str(number), path, name)
    for descriptor in (1, 2):  # /dev/stdout is opened anew, by its owner
        if stat.S_ISFIFO(os.fstat(descriptor).st_mode):
            os.fchown(descriptor, FIRST_ID, FIRST_ID)
    os.chdir("/")
    os.setgroups(groups)
    _call(_libc.setns(namespaces["machine"], _CLONE_NEWUSER), "a user namespace")
    os.setresgid(0, 0, 0)
    os.setresuid(0, 0, 0)


def _make_user_namespace(ids: str) -> int:
    """The descriptor of a user namespace with this map of user and group ids."""
    ready, go_on = os.pipe(), os.pipe()
    child = os.fork()
    if child == 0:
        os.close(go_on[1])
        # RLIMIT_NPROC holds for the whole namespace, unless root makes it; but it takes root's capabilities
        _libc.prctl(_PR_SET_SECUREBITS, _SECBIT_NO_SETUID_FIXUP, 0, 0, 0)
        failed = _libc.setresuid(FIRST_ID, FIRST_ID, FIRST_ID) or _libc.unshare(_CLONE_NEWUSER)
        os.write(ready[1], bytes([ctypes.get_errno() if failed else 0]))
        os.read(go_on[0], 1)
        os._exit(0)
    os.close(go_on[0])
    try:
        if number := os.read(ready[0], 1)[0]:
            _fail(f"a user namespace with the ids from {FIRST_ID}", number)
        for name in ("uid_map", "gid_map"):
            Path(f"/proc/{child}/{name}").write_text(ids, "ascii")
        return os.open(f"/proc/{child}/ns/user", os.O_RDONLY)
    finally:
        for descriptor in (*ready, go_on[1]):
            os.close(descriptor)
        os.waitpid(child, 0)


def _clone_mount(path: str, namespace: int | None, *, required: bool) -> int:
    """The descriptor of a mount of `path` with the ids of `namespace`, if its file system has such mounts."""
    encoded = os.fsencode(path)
    flags = ctypes.c_uint(_OPEN_TREE_CLONE | os.O_CLOEXEC)
    tree = _call(_libc.syscall(_OPEN_TREE, _AT_FDCWD, encoded, flags), path)
    if not required:  # bubblewrap's own program is in one of them, and /proc leads to it
        _call(_set_attributes(tree, _MOUNT_ATTR_RDONLY, 0), path)
    mapped = namespace is None or _set_attributes(tree, _MOUNT_ATTR_IDMAP, namespace) == 0
    if not mapped and (required or ctypes.get_errno() != errno.EINVAL):
        _fail(f"{path}: its file system has no mounts with other ids", ctypes.get_errno())
    return tree


def _set_attributes(tree: int, attributes: int, namespace: int) -> int:
    value = struct.pack("QQQQ", attributes, 0, 0, namespace)
    size = ctypes.c_size_t(len(value))
    result: int = _libc.syscall(_MOUNT_SETATTR, tree, b"", ctypes.c_uint(_AT_EMPTY_PATH), value, size)
    return result


def _remove_in_layer(layer: Path, mount: Path, name: str) -> None:
    """Put a whiteout of overlayfs for `name` into a layer, with the folders above as the mount has them."""
    for folder in reversed(Path(name).parents):
        if not (layer / folder).exists():
            status = (mount / folder).stat()
            (layer / folder).mkdir()
            os.chown(layer / folder, status.st_uid, status.st_gid)
            (layer / folder).chmod(stat.S_IMODE(status.st_mode))
    os.mknod(layer / name, stat.S_IFCHR, os.makedev(0, 0))


def _call(result: int, what: str) -> int:
    if result < 0:
        _fail(what, ctypes.get_errno())
    return result


def _fail(what: str, number: int) -> NoReturn:
    sys.exit(f"{what}: {os.strerror(number)}")


if __name__ == "__main__":
    main(sys.argv[1:])
