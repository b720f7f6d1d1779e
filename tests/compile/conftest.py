"""A text compiled, and looked at as the API server would."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml

from argo.compile import ClusterConfig, FileOrigin, Kind, compile
from argo.language import load

Made = Mapping[str, Any]


@pytest.fixture
def compiled(tmp_path: Path) -> Callable[..., Made]:
    """Compile a text as the file flow.yaml; the spec of the Workflow."""

    def compiled(text: str, cluster: ClusterConfig | None = None, **values: str) -> Made:
        file = tmp_path / "flow.yaml"
        file.write_text(text, "utf-8")
        origin = FileOrigin("flow.yaml", "https://git.example/team/texts.git", "0" * 40)
        made = compile(load(file), Kind.WORKFLOW, cluster or ClusterConfig(), origin, values=values)
        spec: Made = yaml.load(made, yaml.CSafeLoader)["spec"]
        return spec

    return compiled
