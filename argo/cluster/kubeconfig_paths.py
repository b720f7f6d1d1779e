"""Where kubeconfigs are. It imports nothing slow: each press of Tab asks."""

import os
from pathlib import Path

DEFAULT_PATH = Path.home() / ".kube" / "config"


def list_paths() -> list[Path]:
    """The kubeconfigs that kubectl would read; some may not exist."""
    paths = [path for path in os.environ.get("KUBECONFIG", "").split(os.pathsep) if path]
    return [Path(path).expanduser() for path in paths] or [DEFAULT_PATH]
