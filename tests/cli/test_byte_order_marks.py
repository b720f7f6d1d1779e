"""A file that a person writes may begin with a byte order mark, which is no part of what it says."""

from collections.abc import Callable
from pathlib import Path

import pytest

from argo.compile.cluster_config import load_cluster_config
from argo.instances import load_instances
from argo.language import load
from argo.local.secrets import load_secrets
from job.generate.prompts.files import find_files
from job.generate.prompts.rows import RowFormat, read_rows
from job.generate.settings import load_settings

WORKFLOW = """\
jobs:
  job:
    env: {A: "secret:first"}
    uses: script@v1
    with: {image: some/image, script: "true"}
"""
INSTANCES = Path(__file__).parents[2] / "argo/instances.yaml"


def read_secret(file: Path) -> str:
    workflow = file.with_name("workflow.yaml")
    workflow.write_text(WORKFLOW)
    action = load(workflow).jobs["job"]
    return load_secrets(load(workflow), file, {}).value(action.env["A"])


def read_texts(file: Path) -> list[str]:
    return [prompt.text for prompt in read_rows(find_files(str(file)), RowFormat())]


def read_folder(file: Path) -> object:
    """A file of a folder of settings."""
    return load_settings(inputs=file.parent)


@pytest.mark.parametrize(
    ("name", "text", "read"),
    [
        ("workflow.yaml", WORKFLOW, lambda file: load(file).jobs["job"]),
        ("cluster.yaml", "registry: registry.example/textgen\n", load_cluster_config),
        ("instances.yaml", INSTANCES.read_text("utf-8"), load_instances),
        ("my.secrets", "first=a value\n", read_secret),
        ("settings.toml", "seed = 7\n", load_settings),
        ("seed", "7\n", read_folder),
        ("prompt", "Hello\n", read_folder),
        ("prompts.txt", "Hello\n", read_texts),
        ("prompts.jsonl", '{"prompt": "Hello"}\n', read_texts),
    ],
    ids=lambda value: value if isinstance(value, str) and "\n" not in value else "",
)
def test_a_byte_order_mark_is_no_part_of_a_file(
    tmp_path: Path, name: str, text: str, read: Callable[[Path], object]
) -> None:
    file = tmp_path / name
    file.write_text(text, "utf-8")
    expected = read(file)
    file.write_text(text, "utf-8-sig")
    assert read(file) == expected
