"""What a job that attacks its readers does with its files."""

import os
import random
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from itertools import count
from pathlib import Path

from job.untrusted_files import remove_tree

_MOMENT = 0.0005  # seconds


@contextmanager
def deep_tree(path: Path, depth: int = 1200) -> Iterator[None]:
    """Folders in one another below `path`, more than shutil.rmtree can remove."""
    path.mkdir(parents=True, exist_ok=True)
    descriptor = os.open(path, os.O_RDONLY)
    for _ in range(depth):
        os.mkdir("d", dir_fd=descriptor)
        inner = os.open("d", os.O_RDONLY, dir_fd=descriptor)
        os.close(descriptor)
        descriptor = inner
    os.close(descriptor)
    try:
        yield
    finally:
        remove_tree(path)


@contextmanager
def swapping(path: Path, target: Path) -> Iterator[None]:
    """Turn the folder `path` into a link to `target` and back, again and again; each stays for a moment."""
    ended = threading.Event()
    aside = path.with_name(f"{path.name}.aside")

    def swap() -> None:
        while not ended.is_set():
            with suppress(OSError):
                path.rename(aside)
                path.symlink_to(target)
            ended.wait(random.uniform(0, _MOMENT))  # noqa: S311
            with suppress(OSError):
                path.unlink()
            with suppress(OSError):
                aside.rename(path)
            ended.wait(random.uniform(0, _MOMENT))  # noqa: S311

    thread = threading.Thread(target=swap)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join()


def attempts(number: int, succeeded: Callable[[], bool]) -> Iterator[int]:
    """So many attempts, and more until one has succeeded: on a busy machine most are disturbed."""
    deadline = time.monotonic() + 60
    for attempt in count():
        if attempt >= number and (succeeded() or time.monotonic() > deadline):
            return
        yield attempt
