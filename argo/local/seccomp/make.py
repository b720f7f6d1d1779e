"""Writes the sandbox's seccomp filters: `python argo/local/seccomp/make.py`, on a machine with libseccomp.

A job's root has no capability outside its user namespace. The filter also takes what the kernel lets anybody
try, and package managers, compilers and torch do without: new namespaces and mounts, keyrings, BPF,
performance events, page faults handled by programs, other processes' memory and files, io_uring. What
libseccomp does not know is allowed.
"""

import ctypes
import errno
import os
import tempfile
from pathlib import Path

FOLDER = Path(__file__).parent
# The token of each architecture: AUDIT_ARCH_... of linux/audit.h.
ARCHITECTURES = {"x86_64": 0xC000003E, "aarch64": 0xC00000B7}

FORBIDDEN = """
    mount umount umount2 pivot_root open_tree move_mount fsopen fsconfig fsmount fspick mount_setattr setns
    kexec_load kexec_file_load reboot init_module finit_module delete_module create_module query_module
    bpf perf_event_open userfaultfd keyctl add_key request_key
    ptrace process_vm_readv process_vm_writev pidfd_getfd kcmp
    open_by_handle_at acct quotactl quotactl_fd swapon swapoff syslog vhangup lookup_dcookie nfsservctl
    settimeofday clock_settime clock_settime64 clock_adjtime clock_adjtime64 sethostname setdomainname
    iopl ioperm modify_ldt uselib ustat sysfs _sysctl fanotify_init
""".split()  # noqa: SIM905
# Programs go on without these if the kernel does not have them.
ABSENT = ("clone3", "io_uring_setup", "io_uring_enter", "io_uring_register")

_ALLOW, _ERRNO = 0x7FFF0000, 0x00050000
_ACT_BADARCH = 2  # SCMP_FLTATR_ACT_BADARCH
_EQUAL, _MASKED_EQUAL = 4, 7
_LOW = 0xFFFFFFFF  # ioctl and socket look at 32 bits
_AF_VSOCK = 40  # reaches the host of a virtual machine
_TIOCSTI, _TIOCLINUX = 0x5412, 0x541C
# CLONE_NEW...: TIME NS CGROUP UTS IPC USER PID NET
_NAMESPACES = (0x80, 0x20000, 0x2000000, 0x4000000, 0x8000000, 0x10000000, 0x20000000, 0x40000000)


class _Comparison(ctypes.Structure):
    """scmp_arg_cmp: `a` is a mask for _MASKED_EQUAL."""

    _fields_ = (
        ("argument", ctypes.c_uint),
        ("operator", ctypes.c_int),
        ("a", ctypes.c_uint64),
        ("b", ctypes.c_uint64),
    )


def make_filter(architecture: str) -> bytes:
    """The filter as the kernel takes it. Raises OSError if libseccomp is not here or refuses a rule."""
    library = _load()
    context = library.seccomp_init(_ALLOW)
    try:
        _check(library.seccomp_attr_set(context, _ACT_BADARCH, _ERRNO | errno.ENOSYS))
        native = library.seccomp_arch_native()
        if native != ARCHITECTURES[architecture]:
            _check(library.seccomp_arch_add(context, ARCHITECTURES[architecture]))
            _check(library.seccomp_arch_remove(context, native))

        def refuse(name: str, number: int, *comparisons: _Comparison) -> None:
            call = library.seccomp_syscall_resolve_name(name.encode())
            array = (_Comparison * len(comparisons))(*comparisons)
            _check(library.seccomp_rule_add_array(context, _ERRNO | number, call, len(comparisons), array))

        for name in FORBIDDEN:
            refuse(name, errno.EPERM)
        for name in ABSENT:
            refuse(name, errno.ENOSYS)
        for flag in _NAMESPACES:
            for name in ("clone", "unshare"):
                if (name, flag) != ("clone", 0x80):  # there, these bits are a signal
                    refuse(name, errno.EPERM, _Comparison(0, _MASKED_EQUAL, flag, flag))
        for request in (_TIOCSTI, _TIOCLINUX):
            refuse("ioctl", errno.EPERM, _Comparison(1, _MASKED_EQUAL, _LOW, request))
        refuse("socket", errno.EPERM, _Comparison(0, _MASKED_EQUAL, _LOW, _AF_VSOCK))
        with tempfile.TemporaryFile() as file:
            _check(library.seccomp_export_bpf(context, file.fileno()))
            file.seek(0)
            return file.read()
    finally:
        library.seccomp_release(context)


def _load() -> ctypes.CDLL:
    library = ctypes.CDLL("libseccomp.so.2")
    library.seccomp_init.restype = ctypes.c_void_p
    for name in ("attr_set", "arch_add", "arch_remove", "rule_add_array", "export_bpf", "release"):
        getattr(library, f"seccomp_{name}").argtypes = [ctypes.c_void_p]
    library.seccomp_arch_native.restype = ctypes.c_uint32
    return library


def _check(result: int) -> None:
    if result < 0:
        raise OSError(-result, f"libseccomp: {os.strerror(-result)}")


if __name__ == "__main__":
    for architecture in ARCHITECTURES:
        (FOLDER / f"{architecture}.bpf").write_bytes(make_filter(architecture))
