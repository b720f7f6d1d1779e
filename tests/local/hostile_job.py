"""Tries to get out of the sandbox, and prints what became of each attempt: `refused: ...` or `DONE: ...`.

    python3 hostile_job.py PID ABSTRACT-SOCKET SOCKET PATH...

PID is a process of the machine, SOCKET a path that something listens at, the PATHs are files and folders of
it that no job may read. Nothing here does harm if it succeeds: settings get the value that they have.
"""

import ctypes
import errno
import fcntl
import mmap
import os
import platform
import signal
import socket
import stat
import sys
import termios
import time
from collections.abc import Callable, Iterator
from pathlib import Path

REFUSALS = {
    errno.EPERM, errno.EACCES, errno.EROFS, errno.ENOSYS, errno.ENOENT, errno.ESRCH, errno.ENXIO,
    errno.ECONNREFUSED, errno.EIO, errno.ENODEV,
}  # fmt: skip
libc = ctypes.CDLL(None, use_errno=True)
X86 = platform.machine() == "x86_64"
# On x86_64 and on everything newer (asm-generic), where they differ.
CALLS = {
    "keyctl": (250, 219),
    "add_key": (248, 217),
    "request_key": (249, 218),
    "bpf": (321, 280),
    "userfaultfd": (323, 282),
    "perf_event_open": (298, 241),
    "kexec_load": (246, 104),
    "kexec_file_load": (320, 294),
    "init_module": (175, 105),
    "finit_module": (313, 273),
    "delete_module": (176, 106),
    "open_by_handle_at": (304, 265),
    "swapon": (167, 224),
    "acct": (163, 89),
    "syslog": (103, 116),
    "setns": (308, 268),
    "pivot_root": (155, 41),
    "clone3": (435, 435),
    "io_uring_setup": (425, 425),
    "open_tree": (428, 428),
    "move_mount": (429, 429),
    "fsopen": (430, 430),
    "fsmount": (432, 432),
    "mount_setattr": (442, 442),
    "quotactl": (179, 60),
    "fanotify_init": (300, 262),
    "ptrace": (101, 117),
}
# Of their first argument, a process.
CALLS_OF_A_PROCESS = {"process_vm_readv": (310, 270), "process_vm_writev": (311, 271), "kcmp": (312, 272)}
PIDFD_OPEN, PIDFD_GETFD, PTRACE_SEIZE = 434, 438, 0x4206  # fmt: skip
NEW_NAMESPACES = {"user": 0x10000000, "mount": 0x20000, "network": 0x40000000, "pid": 0x20000000}
TIOCLINUX = 0x541C


def call(number: int, *arguments: int | None) -> None:
    padded = [*arguments, *[0] * (6 - len(arguments))]
    check(libc.syscall(ctypes.c_long(number), *map(ctypes.c_long, padded)))  # type: ignore[arg-type]


def check(result: int) -> None:
    if result < 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))


def mount(source: str, target: str, kind: str, flags: int) -> None:
    check(libc.mount(source.encode(), target.encode(), kind.encode(), ctypes.c_ulong(flags), None))


def open_to_write(path: str | Path) -> None:
    os.close(os.open(path, os.O_WRONLY))


def make_device(path: str, kind: int, major: int, minor: int) -> None:
    os.mknod(path, kind | 0o666, os.makedev(major, minor))
    os.close(os.open(path, os.O_RDONLY))  # a node that can't be opened is none


def in_child(attempt: Callable[[], None]) -> None:
    """Raise what the attempt raises in a process of its own, which a forbidden call may kill."""
    child = os.fork()
    if child == 0:
        try:
            attempt()
        except OSError as error:
            os._exit(error.errno or 1)
        os._exit(0)
    _, status = os.waitpid(child, 0)
    number = errno.EPERM if os.WIFSIGNALED(status) else os.WEXITSTATUS(status)
    if number:
        raise OSError(number, os.strerror(number))


def call_as_32_bit() -> None:
    """getpid by `int 0x80`: mov eax, 20; int 0x80; ret."""
    code = mmap.mmap(-1, 4096, prot=mmap.PROT_READ | mmap.PROT_WRITE | mmap.PROT_EXEC)
    code.write(b"\xb8\x14\x00\x00\x00\xcd\x80\xc3")
    address = ctypes.addressof(ctypes.c_char.from_buffer(code))
    result = ctypes.CFUNCTYPE(ctypes.c_int)(address)()
    if result < 0:
        raise OSError(-result, os.strerror(-result))


def push_into_terminal(request: int) -> None:
    _, terminal = os.openpty()
    fcntl.ioctl(terminal, request, b"x")


def connect(address: str) -> None:
    with socket.socket(socket.AF_UNIX) as client:
        client.connect(address)


def take_descriptor(pid: int) -> None:
    process = libc.syscall(PIDFD_OPEN, pid, 0)
    check(process)
    call(PIDFD_GETFD, process, 0)


def stop(pid: int) -> None:
    """Try each signal that stops a process, or that Python handles."""
    for number in (signal.SIGSTOP, signal.SIGTSTP, signal.SIGTTIN, signal.SIGINT, signal.SIGKILL):
        os.kill(pid, number)
    time.sleep(0.05)
    if Path(f"/proc/{pid}/stat").read_text().rpartition(") ")[2].startswith(("S", "R", "D")):
        raise PermissionError(errno.EPERM, "it goes on as before")


def settings() -> Iterator[Path]:
    for folder in ("/proc/sys", "/proc/irq", "/sys/kernel", "/sys/power", "/sys/module", "/sys/fs"):
        for path, _, names in os.walk(folder):
            yield from (Path(path, name) for name in names)


def write_a_setting() -> None:
    """Open each setting that can be written; the first that opens counts."""
    for path in settings():
        try:
            descriptor = os.open(path, os.O_WRONLY | os.O_NONBLOCK)
        except OSError:
            continue
        os.close(descriptor)
        print("writable:", path)
        return
    raise PermissionError(errno.EROFS, "no setting can be written")


def attempts(
    pid: int, abstract: str, listening: str, paths: list[str]
) -> Iterator[tuple[str, Callable[[], None]]]:
    yield "mount a tmpfs", lambda: mount("x", "/mnt", "tmpfs", 0)
    yield "mount a folder elsewhere", lambda: mount("/usr", "/mnt", "", 0x1000)
    yield "make /proc/sys writable", lambda: mount("", "/proc/sys", "", 0x20 | 0x1000)
    yield "make /sys writable", lambda: mount("", "/sys", "", 0x20 | 0x1000)
    yield "unmount what covers /proc/sys", lambda: check(libc.umount2(b"/proc/sys", 2))
    for name, flag in NEW_NAMESPACES.items():
        yield f"make a {name} namespace", lambda flag=flag: in_child(lambda: check(libc.unshare(flag)))  # type: ignore[misc]
        number = 56 if X86 else 220
        yield (
            f"clone into a {name} namespace",
            lambda flag=flag, number=number: in_child(lambda: call(number, flag | signal.SIGCHLD)),  # type: ignore[misc]
        )
    for name, numbers in CALLS.items():
        yield f"call {name}", lambda number=numbers[not X86]: in_child(lambda: call(number))  # type: ignore[misc]
    for name, numbers in CALLS_OF_A_PROCESS.items():
        yield f"call {name}", lambda number=numbers[not X86]: call(number, os.getpid(), os.getpid())  # type: ignore[misc]
    yield "call pidfd_getfd", lambda: take_descriptor(os.getpid())
    if X86:
        yield "call as a 32-bit program", lambda: in_child(call_as_32_bit)
        yield "call as an x32 program", lambda: in_child(lambda: call(0x40000000 | 39))
    for path in ("/tmp/device", "/outputs/device", "/storage/device"):
        yield f"make a disk, {path}", lambda path=path: make_device(path, stat.S_IFBLK, 254, 0)  # type: ignore[misc]
        yield f"make the memory, {path}", lambda path=path: make_device(path, stat.S_IFCHR, 1, 1)  # type: ignore[misc]
    for path in ("/dev/kmsg", "/dev/mem", "/dev/port", "/dev/vda", "/dev/sda", "/dev/nvme0n1", "/dev/fuse"):
        yield f"open {path}", lambda path=path: open_to_write(path)  # type: ignore[misc]
    for path in ("/proc/sysrq-trigger", "/proc/kcore", "/proc/sys/kernel/core_pattern", "/sys/power/state"):
        yield f"write to {path}", lambda path=path: open_to_write(path)  # type: ignore[misc]
    yield "write to any setting of the kernel", write_a_setting
    yield "kill a process of the machine", lambda: os.kill(pid, signal.SIGKILL)
    yield "trace a process of the machine", lambda: check(libc.ptrace(16, pid, None, None))
    yield "put a character into a terminal", lambda: push_into_terminal(termios.TIOCSTI)
    yield "paste into a console", lambda: push_into_terminal(TIOCLINUX)
    yield "reach the host of a virtual machine", lambda: socket.socket(socket.AF_VSOCK).close()
    yield "connect to an abstract socket of the machine", lambda: connect(f"\0{abstract}")
    yield "connect to a socket of the machine", lambda: connect(listening)
    yield "write to the program of process 1", lambda: open_to_write("/proc/1/exe")
    yield "keep the program of process 1", lambda: print(os.open("/proc/1/exe", os.O_PATH))
    yield "write to the memory of process 1", lambda: open_to_write("/proc/1/mem")
    yield "read the variables of process 1", lambda: print(os.open("/proc/1/environ", os.O_RDONLY))
    yield "write to the output of process 1", lambda: open_to_write("/proc/1/fd/1")
    yield "stop process 1", lambda: stop(1)
    yield "trace process 1", lambda: check(libc.ptrace(PTRACE_SEIZE, 1, None, None))
    yield "take a descriptor of process 1", lambda: take_descriptor(1)
    for path in paths:
        yield f"read {path}", lambda path=path: print(os.open(path, os.O_RDONLY))  # type: ignore[misc]


def main() -> None:
    pid, abstract, listening, *paths = sys.argv[1:]
    for name, attempt in attempts(int(pid), abstract, listening, paths):
        try:
            attempt()
        except OSError as error:
            word = "refused" if error.errno in REFUSALS else "UNCLEAR"
            print(f"{word}: {name}: {error.strerror}", flush=True)
        else:
            print(f"DONE: {name}", flush=True)
    for path in ("/storage/setuid", "/outputs/setuid"):
        Path(path).write_text("#!/bin/sh\nid -u\n")
        Path(path).chmod(0o6755)
    Path("/storage/locked").mkdir(exist_ok=True)
    Path("/storage/locked/file").write_text("x")
    Path("/storage/locked").chmod(0)
    print("\033]0;title\007\033]52;c;eA==\007")
    print("end of the attempts", flush=True)


if __name__ == "__main__":
    main()
