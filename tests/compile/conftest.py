"""A workflow's text compiled to what the API server is given."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest

from argo.compile import ClusterConfig, FileOrigin, Kind
from argo.compile.workflow import build
from argo.language import load

Spec = Mapping[str, Any]
CompileSpec = Callable[..., Spec]


@pytest.fixture
def compile_spec(tmp_path: Path) -> CompileSpec:
    """Compiles a text as the file flow.yaml; the spec of the Workflow."""

    def compile_spec(text: str, cluster: ClusterConfig | None = None, **values: str) -> Spec:
        file = tmp_path / "flow.yaml"
        file.write_text(text, "utf-8")
        origin = FileOrigin("flow.yaml", "https://git.example/team/texts.git", "0" * 40)
        document = build(load(file), Kind.WORKFLOW, cluster or ClusterConfig(), origin, values=values)
        spec: Spec = document["spec"]
        return spec

    return compile_spec
