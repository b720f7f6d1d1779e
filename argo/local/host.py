"""No isolation at all: scripts run as they are on this machine, and write to it.

For macOS, say, which has no other runtime. /inputs, /outputs and /storage are links while a job runs, so
jobs run one at a time.
"""

import asyncio
import os
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path

from argo.local import model_cache, run_folder
from argo.local.environment import ON_THIS_MACHINE
from argo.local.process import supervised
from argo.local.runtime import Access, Task, why_image_needed
from argo.local.sandbox import search_path
from job.errors import InputError

_USERS_OWN = "HOME|USER|LOGNAME|SHELL|TMPDIR|XDG_CACHE_HOME|HF_HOME|HF_HUB_CACHE"
_LINKS = ("/inputs", "/outputs", "/storage")


class Host:
    """Runs tasks on this machine itself."""

    name = "host"
    uses_images = False
    copied = frozenset({Access.READ, Access.PRIVATE})
    inherited = rf"{ON_THIS_MACHINE}|{_USERS_OWN}"

    def __init__(self, root: Path = Path("/")) -> None:
        self._root = root
        self._turn = asyncio.Lock()

    def check(self) -> None:
        for link in self._links():
            _remove_stale(link)
        if not os.access(self._root, os.W_OK):
            raise InputError(
                f"--runtime host: a job needs {', '.join(_LINKS)}, and {self._root} is not writable; "
                "run textgen as root, or choose --runtime sandbox, docker or podman"
            )

    def why_unsupported(self, task: Task) -> str | None:
        return why_image_needed(task)

    def prepare(self, task: Task) -> AbstractAsyncContextManager[None]:
        return self._linked(task)

    def build_command(self, task: Task) -> tuple[list[str], dict[str, str]]:
        sources = {mount.target: str(mount.source) for mount in task.mounts}
        words = [sources.get(word, word) for word in (*(task.command or ()), *task.args)]
        # here jobs use the user's own model caches
        env = {name: value for name, value in task.env.items() if model_cache.ENV.get(name) != value}
        return supervised(words), {"PATH": search_path(), **env}

    @asynccontextmanager
    async def _linked(self, task: Task) -> AsyncIterator[None]:
        async with self._turn:
            targets = {mount.target: mount for mount in task.mounts}
            for mount in task.mounts:
                if mount.access is Access.WRITE and mount.target.startswith("/inputs/"):
                    (targets["/inputs"].source / Path(mount.target).name).symlink_to(mount.source)
            try:
                for link in self._links():
                    link.symlink_to(targets[f"/{link.name}"].source)
                yield
            finally:
                for link in self._links():
                    link.unlink(missing_ok=True)

    def _links(self) -> list[Path]:
        return [self._root / path[1:] for path in _LINKS]


def _remove_stale(link: Path) -> None:
    """Remove the link of a killed run. Raises InputError if anything else is at that path."""
    if not link.is_symlink() and not link.exists():
        return
    target = link.readlink() if link.is_symlink() else link
    run = next((folder for folder in target.parents if folder.parent.name == "runs"), None)
    is_textgens = ".textgen" in target.parts and link.is_symlink()
    if not is_textgens or (run is not None and run.exists() and run_folder.is_alive(run)):
        raise InputError(f"--runtime host: {link} exists already; a job needs that path, so move it away")
    link.unlink()
