"""Locks that processes hold on files and folders, and writes that are whole or not at all."""

import errno
import fcntl
import os
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path


@contextmanager
def locked(path: Path, *, shared: bool = False, blocking: bool = True) -> Iterator[None]:
    """Hold a lock (flock) on a file or folder that exists.

    The kernel releases it when this process ends, however it ends. Raises BlockingIOError if another
    process holds the lock and `blocking` is false, and OSError, which names the path, if it can't be
    opened or its file system has no locks.
    """
    # NFS gives an exclusive lock only on a file that is open for writing
    descriptor = os.open(path, os.O_RDONLY if shared or path.is_dir() else os.O_RDWR)
    try:
        kind = fcntl.LOCK_SH if shared else fcntl.LOCK_EX
        try:
            fcntl.flock(descriptor, kind if blocking else kind | fcntl.LOCK_NB)
        except OSError as error:
            if error.errno not in (errno.ENOSYS, errno.EOPNOTSUPP, errno.ENOLCK):
                raise
            message = "this file system has no locks (flock); use a folder on another one"
            raise OSError(error.errno, message, str(path)) from None
        yield
    finally:
        os.close(descriptor)


def write_atomically(path: Path, chunks: Iterable[bytes]) -> None:
    """Write a file that replaces the old one; if this process or the machine dies, the old one stays.

    Only one process at a time may write to a path. Raises OSError, which names the path.
    """
    if path.is_dir():
        raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), str(path))
    partial = path.with_name(f".{path.name}.partial")
    try:
        with partial.open("wb") as file:
            file.writelines(chunks)
            file.flush()
            os.fsync(file.fileno())
        partial.replace(path)
        sync_folder(path.parent)
    except BaseException as error:
        with suppress(OSError):
            partial.unlink()
        if isinstance(error, OSError) and error.filename in (None, str(partial)):
            raise OSError(error.errno, error.strerror, str(path)) from error
        raise


def sync_folder(folder: Path) -> None:
    """Flush the names in a folder to the disk."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    except OSError as error:
        if error.errno != errno.EINVAL:  # this file system can't flush folders
            raise
    finally:
        os.close(descriptor)
