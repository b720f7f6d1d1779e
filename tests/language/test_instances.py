"""The table of instance types: names and aliases, multiples, and a file laid over it."""

from pathlib import Path

import pytest

from argo.instances import builtin_instances, load_instances
from job.errors import InputError

# Gradient's own list of machine types, less those that come in multiples.
_DOCUMENTED = [
    *("C1", "C2", "C3", "C4", "C5", "C6", "C7", "C8", "C9", "C10"),
    *("GPU+", "M4000", "P4000", "P5000", "P6000", "RTX4000", "RTX5000", "A4000", "A5000", "A6000"),
    *("V100", "V100-32G", "A100", "A100-80G", "H100", "H100x8", "A100x8", "A100-80Gx8", "V100-32Gx4"),
    *("A6000x4", "GPU+x2", "P4000x2"),
]


@pytest.mark.parametrize("name", [*_DOCUMENTED, "metal-cpu", "metal-gpu", "c5.xlarge"])
def test_every_documented_type_is_there(name: str) -> None:
    assert builtin_instances().find(name) is not None


@pytest.mark.parametrize(
    ("spelling", "name"),
    [
        ("p4000", "P4000"),
        ("Free-CPU", "C4"),
        ("Free-GPU", "M4000"),
        ("Free-P5000", "P5000"),
        ("A100-80GBx4", "A100-80Gx4"),
        ("v100-32gb", "V100-32G"),
    ],
)
def test_other_spellings_are_the_same_type(spelling: str, name: str) -> None:
    instance = builtin_instances().find(spelling)
    assert instance is not None
    assert instance.name == name


def test_a_multiple_asks_for_as_many_of_everything() -> None:
    instance = builtin_instances().find("A6000x4")
    assert instance is not None
    assert (instance.cpu, instance.memory, instance.gpus) == ("32", "180Gi", 4)
    assert instance.products == ("NVIDIA-RTX-A6000",)
    whole = builtin_instances().find("H100x8")
    assert whole is not None
    assert (whole.cpu, whole.memory, whole.gpus) == ("128", "2048Gi", 8)


def test_only_gpu_types_ask_for_gpu_nodes() -> None:
    cpu, gpu = builtin_instances().find("C5"), builtin_instances().find("P4000")
    assert cpu is not None
    assert gpu is not None
    assert (cpu.gpus, cpu.node_selector, cpu.tolerations) == (0, {}, ())
    assert gpu.node_selector == {"nvidia.com/gpu.present": "true"}
    assert gpu.tolerations[0]["key"] == "nvidia.com/gpu"


def test_an_override_replaces_rows_and_adds_some(tmp_path: Path) -> None:
    path = tmp_path / "instances.yaml"
    path.write_text("c4: {cpu: 500m, node-selector: {pool: small}}\nmine: {cpu: 1, memory: 1Gi}\n")
    table = load_instances(path)
    small, mine = table.find("C4"), table.find("mine")
    assert small is not None
    assert mine is not None
    assert (small.cpu, small.memory, small.node_selector) == ("500m", "4Gi", {"pool": "small"})
    assert table.find("Free-CPU") == small
    assert mine.cpu == "1"
    assert table.find("P4000") == builtin_instances().find("P4000")


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("- a\n", "must be a mapping"),
        ("C4: 5\n", "C4: must be a mapping"),
        ("mine: {cpu: 1}\n", "mine: a new type needs cpu and memory"),
        ("C4: {gpu: 1}\n", "C4: no such key: 'gpu'"),
        ("C4: {cpu: lots}\n", "C4: cpu must be a quantity such as 4, 0.5 or 500m, not 'lots'"),
        ("C4: {memory: 1GB}\n", "C4: memory must be a quantity such as 8Gi"),
        ("C4: {gpus: true}\n", "C4: gpus must be a number"),
        ("C4: {aliases: x}\n", "C4: aliases must be a list of strings"),
        ("C4: {multiples: [x]}\n", "C4: multiples must be a list of numbers over 0"),
        ("C4: {multiples: [0, -2]}\n", "C4: multiples must be a list of numbers over 0"),
        ("C4: {cpu: 0}\n", "C4: cpu must be a quantity such as 4"),
        ("C4: {cpu: 0m}\n", "C4: cpu must be a quantity such as 4"),
        ("C4: {memory: 0Gi}\n", "C4: memory must be a quantity such as 8Gi"),
        ("C4: {tolerations: [{key: a, efect: NoSchedule}]}\n", "C4: tolerations must be a list of mappings"),
        ('C4: {cpu: "\\UFFFFFFFF"}\n', "not valid YAML"),
        ("C4: {node-selector: [x]}\n", "C4: node-selector must be a mapping of strings"),
        ("C4: {node-selector: {gpu: true}}\n", "C4: node-selector must be a mapping of strings"),
        ("C4: {tolerations: [x]}\n", "C4: tolerations must be a list of mappings"),
        ("C4: {", "not valid YAML"),
    ],
)
def test_a_wrong_override_names_its_row_in_one_line(text: str, says: str, tmp_path: Path) -> None:
    path = tmp_path / "instances.yaml"
    path.write_text(text)
    with pytest.raises(InputError) as caught:
        load_instances(path)
    assert str(caught.value).startswith(str(path))
    assert says in str(caught.value)
    assert "\n" not in str(caught.value)
