"""The folder `.textgen` of a repository: its runs, caches and datasets."""

from dataclasses import dataclass
from pathlib import Path

from job.storage.open import default_url, project_root


@dataclass(frozen=True, slots=True)
class Project:
    """A repository, or any folder, that workflows run in."""

    root: Path

    @classmethod
    def around(cls, start: Path) -> "Project":
        """The nearest folder upwards with `.textgen` or `.git` in it; `start` where there is none."""
        return cls(project_root(start))

    @property
    def home(self) -> Path:
        return self.root / ".textgen"

    @property
    def runs(self) -> Path:
        """One folder a run: its run.json, and the log of each job."""
        return self.home / "runs"

    @property
    def storage(self) -> Path:
        """What jobs find at /storage: files that stay from run to run."""
        return self.home / "storage"

    @property
    def cache(self) -> Path:
        """Models that jobs have downloaded, and dataset versions that jobs have read."""
        return self.home / "cache"

    @property
    def store(self) -> str:
        """The URL of the dataset store."""
        return default_url(self.root)

    def prepare(self) -> None:
        """Make the folders; git never sees them."""
        for folder in (self.runs, self.storage, self.cache):
            folder.mkdir(parents=True, exist_ok=True)
        ignore = self.home / ".gitignore"
        if not ignore.exists():
            ignore.write_text("*\n", "utf-8")
