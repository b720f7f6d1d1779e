"""Starts bubblewrap with what it can't do itself: limits, a Landlock domain and, for root, other user ids.

    python launcher.py FILTER PROCESSES GROUPS COUNT MOUNT-1 ... MOUNT-COUNT BUBBLEWRAP ARGUMENTS...

FILTER is the file of a seccomp filter, PROCESSES how many processes and threads a job may have, GROUPS the
ids of groups of devices that it may use, with commas. A MOUNT is the name of a map of ids, a path, a number,
and so many paths below it to hide. The job's variables are called JOB_NAME here and in the sandbox's
process 1: their dynamic linker must not see them.

For root it makes a user namespace whose ids are those of no user of this machine. What the job sees is
mounted with the same ids (MOUNT_ATTR_IDMAP of mount_setattr(2)): the job's root owns it as on a machine of
its own, and what it writes belongs to root on this machine.

Run by its path, without the rest of this package and the larger modules of the library: it starts in some 15
milliseconds.
"""

import ctypes
import errno
import os
import resource
import stat
import struct
import sys

# No user's and no container manager's: https://systemd.io/UIDS-GIDS
FIRST_ID = 2_000_000_000
# Where bubblewrap of root finds the mounts, by their numbers.
MOUNTS = "/tmp/mounts"  # noqa: S108
LAYERS = "/tmp/layers"  # noqa: S108
LANDLOCK_WITH_SCOPES = 6
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
_LANDLOCK_VERSION = 1
_SCOPE_ABSTRACT_UNIX_SOCKET, _SCOPE_SIGNAL = 1, 2
_PR_SET_SECUREBITS, _SECBIT_NO_SETUID_FIXUP, _PR_SET_NO_NEW_PRIVS = 28, 4, 38

_libc = ctypes.CDLL(None, use_errno=True)


def main(argv: list[str]) -> None:
    """Replace this process by bubblewrap."""
    seccomp, processes, groups, count, *rest = argv
    mounts = []
    for _ in range(int(count)):
        ids, path, hidden, *rest = rest
        mounts.append((ids, path, rest[: int(hidden)]))
        rest = rest[int(hidden) :]
    with open(seccomp, "rb") as file:  # which the namespaces may hide
        options = ["--seccomp", str(_hold(file.read()))]
    _limit_processes(int(processes))
    if os.geteuid() == 0:
        _enter_namespaces(mounts, [int(group) for group in groups.split(",") if group])
    _cut_off_abstract_sockets()
    os.execve(rest[0], [rest[0], *options, *rest[1:]], os.environ)  # noqa: S606


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
    if landlock_version() < LANDLOCK_WITH_SCOPES:
        return
    _call(_libc.prctl(_PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0), "no_new_privs")
    attributes = struct.pack("QQQ", 0, 0, _SCOPE_ABSTRACT_UNIX_SOCKET | _SCOPE_SIGNAL)
    size = ctypes.c_size_t(len(attributes))
    ruleset = _call(_libc.syscall(_LANDLOCK_CREATE_RULESET, attributes, size, 0), "Landlock")
    _call(_libc.syscall(_LANDLOCK_RESTRICT_SELF, ruleset, 0), "Landlock")


def landlock_version() -> int:
    """The kernel's ABI of Landlock; -1 if it has none."""
    no_size = ctypes.c_size_t(0)
    version: int = _libc.syscall(_LANDLOCK_CREATE_RULESET, None, no_size, _LANDLOCK_VERSION)
    return version


def _enter_namespaces(mounts: list[tuple[str, str, list[str]]], groups: list[int]) -> None:
    """Become root of a user namespace, in a mount namespace that has each of `mounts` below MOUNTS.

    With the ids "", files are nobody's for the job. What is hidden is removed by a layer in LAYERS.
    """
    namespaces = {name: _make_user_namespace(ids) for name, ids in ID_MAPS.items()}
    trees = [_clone_mount(path, namespaces.get(ids), required=ids == "caller") for ids, path, _ in mounts]
    _call(_libc.unshare(_CLONE_NEWNS), "a mount namespace")
    _call(_libc.mount(b"none", b"/", None, _MS_REC | _MS_PRIVATE, None), "/")
    _call(_libc.mount(b"textgen", os.path.dirname(MOUNTS).encode(), b"tmpfs", 0, b"mode=755"), "a tmpfs")
    os.mkdir(MOUNTS)
    os.mkdir(LAYERS)
    for number, tree in enumerate(trees):
        target = f"{MOUNTS}/{number}"
        if stat.S_ISDIR(os.fstat(tree).st_mode):
            os.mkdir(target)
        else:
            os.close(os.open(target, os.O_CREAT | os.O_WRONLY, 0o600))
        move = _libc.syscall(_MOVE_MOUNT, tree, b"", _AT_FDCWD, target.encode(), _MOVE_MOUNT_F_EMPTY_PATH)
        _call(move, mounts[number][1])
        os.close(tree)
        for name in mounts[number][2]:
            _remove_in_layer(f"{LAYERS}/{number}", target, name)
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
            with open(f"/proc/{child}/{name}", "w", encoding="ascii") as file:
                file.write(ids)
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
    if not required:  # overlays keep what jobs write, and bubblewrap's program is in one of these
        _call(_set_attributes(tree, _MOUNT_ATTR_RDONLY, 0), path)
    mapped = namespace is None or _set_attributes(tree, _MOUNT_ATTR_IDMAP, namespace) == 0
    if not mapped and (required or ctypes.get_errno() != errno.EINVAL):
        _fail(f"{path}: its file system can't be mounted with other user ids", ctypes.get_errno())
    return tree


def _set_attributes(tree: int, attributes: int, namespace: int) -> int:
    value = struct.pack("QQQQ", attributes, 0, 0, namespace)
    size = ctypes.c_size_t(len(value))
    result: int = _libc.syscall(_MOUNT_SETATTR, tree, b"", ctypes.c_uint(_AT_EMPTY_PATH), value, size)
    return result


def _remove_in_layer(layer: str, mount: str, name: str) -> None:
    """Put a whiteout of overlayfs for `name` into a layer, with the folders above as the mount has them."""
    parts = name.split("/")
    for folder in ("/".join(parts[:count]) for count in range(len(parts))):
        path = f"{layer}/{folder}"
        if not os.path.exists(path):
            status = os.stat(f"{mount}/{folder}")
            os.mkdir(path)
            os.chown(path, status.st_uid, status.st_gid)
            os.chmod(path, stat.S_IMODE(status.st_mode))
    os.mknod(f"{layer}/{name}", stat.S_IFCHR, os.makedev(0, 0))


def _call(result: int, what: str) -> int:
    if result < 0:
        _fail(what, ctypes.get_errno())
    return result


def _fail(what: str, number: int) -> None:
    sys.exit(f"{what}: {os.strerror(number)}")


if __name__ == "__main__":
    main(sys.argv[1:])
