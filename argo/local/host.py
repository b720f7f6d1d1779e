"""No isolation at all: scripts run as they are on this machine, and write to it.

For macOS, say, where nothing else is there. /inputs, /outputs and /storage are links at those very
places while a job runs, so jobs run one at a time.
"""

import asyncio
import os
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path

from argo.local import caches, run_folder
from argo.local.process import on_leash
from argo.local.sandbox import path
from argo.local.task import Access, Mount, Task
from job.errors import InputError

_PLACES = ("/inputs", "/outputs", "/storage")


class Host:
    """Runs tasks on this machine itself."""

    name = "host"
    copied = frozenset({Access.READ, Access.PRIVATE})

    def __init__(self, root: Path = Path("/")) -> None:
        self._root = root
        self._turn = asyncio.Lock()

    def check(self) -> None:
        for place in self._links():
            _clear(place)
        if not os.access(self._root, os.W_OK):
            raise InputError(
                f"--runtime host: a job needs {', '.join(_PLACES)}, and {self._root} is not writable here; "
                "run textgen as root, or choose --runtime sandbox, docker or podman"
            )

    def refusal(self, task: Task) -> str | None:
        words = (*(task.command or ()), *task.args)
        if not words or words[0].startswith("-"):
            return "it needs the image's entrypoint, which only --runtime docker or podman has"
        return None

    def place(self, task: Task) -> AbstractAsyncContextManager[None]:
        return self._placed(task)

    def invocation(self, task: Task) -> tuple[list[str], dict[str, str]]:
        sources = {mount.target: str(mount.source) for mount in task.mounts}
        words = [sources.get(word, word) for word in (*(task.command or ()), *task.args)]
        # the user's own model caches are as good as any here
        env = {name: value for name, value in task.env.items() if caches.ENV.get(name) != value}
        return on_leash(words), {**os.environ, "PATH": path(), **env}

    @asynccontextmanager
    async def _placed(self, task: Task) -> AsyncIterator[None]:
        async with self._turn:
            targets = {mount.target: mount for mount in task.mounts}
            for mount in task.mounts:
                if mount.access is Access.WRITE and mount.target.startswith("/inputs/"):
                    _inside(targets["/inputs"], mount).symlink_to(mount.source)
            try:
                for link in self._links():
                    link.symlink_to(targets[f"/{link.name}"].source)
                yield
            finally:
                for link in self._links():
                    link.unlink(missing_ok=True)

    def _links(self) -> list[Path]:
        return [self._root / place[1:] for place in _PLACES]


def _inside(inputs: Mount, mount: Mount) -> Path:
    return inputs.source / Path(mount.target).name


def _clear(link: Path) -> None:
    """Remove what a killed run has left. Raises InputError for anything else that is there."""
    if not link.is_symlink() and not link.exists():
        return
    target = link.readlink() if link.is_symlink() else link
    run = next((folder for folder in target.parents if folder.parent.name == "runs"), None)
    ours = ".textgen" in target.parts and link.is_symlink()
    if not ours or (run is not None and run.exists() and run_folder.is_alive(run)):
        raise InputError(f"--runtime host: {link} is there already; a job needs that place for itself")
    link.unlink()
