"""Which checkouts have a pod of their own, and that no job runs that `textgen run` would omit."""

import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from argo.compile.inline_checkouts import inline_checkouts
from argo.language import Workflow, load
from argo.language.graph import upstream_jobs
from argo.language.model import FromJob

CLONE = "uses: git-checkout@v1, outputs: {repo: {type: volume}}, with: {url: https://git.example/a}"
USE = "uses: script@v1, with: {image: a, script: 'true'}"
# A job: whether it is a checkout, the jobs that it needs, and those whose volume it takes.
Graph = Mapping[str, tuple[bool, tuple[str, ...], tuple[str, ...]]]
LoadGraph = Callable[[Graph], Workflow]


@pytest.fixture(scope="module")
def load_graph(tmp_path_factory: pytest.TempPathFactory) -> LoadGraph:
    file = tmp_path_factory.mktemp("graph") / "flow.yaml"

    def load_graph(graph: Graph) -> Workflow:
        file.write_text("jobs:\n" + "".join(_jobs(graph)))
        return load(file)

    return load_graph


def _jobs(graph: Graph) -> Iterator[str]:
    for name, (is_checkout, needs, takes) in graph.items():
        inputs = ", ".join(f"{each}: {each}.outputs.repo" for each in takes)
        links = f"needs: [{', '.join(needs)}], inputs: {{{inputs}}}"
        yield f"  {name}: {{{links}, {CLONE if is_checkout else USE}}}\n"


@pytest.mark.parametrize(
    ("graph", "needs"),
    [
        ({"c": (True, (), ()), "a": (False, ("c",), ("c",))}, {"a": ()}),
        ({"c": (True, (), ()), "a": (False, ("c",), ())}, {"c": (), "a": ("c",)}),
        (
            {"c": (True, (), ()), "a": (False, ("c",), ("c",)), "b": (False, ("c",), ())},
            {"c": (), "a": ("c",), "b": ("c",)},
        ),
        (
            {"c": (True, (), ()), "a": (False, ("c",), ("c",)), "b": (False, ("a", "c"), ())},
            {"a": (), "b": ("a",)},
        ),
        (
            {"z": (False, (), ()), "c": (True, ("z",), ()), "a": (False, ("c",), ("c",))},
            {"z": (), "a": ("z",)},
        ),
        (
            {"c": (True, (), ()), "d": (True, ("c",), ()), "a": (False, ("c", "d"), ("c", "d"))},
            {"c": (), "a": ("c",)},
        ),
        ({"c": (True, (), ())}, {"c": ()}),
    ],
    ids=[
        "every job takes the volume",
        "no job takes it",
        "one job takes it, another only waits",
        "who waits waits for who takes",
        "a checkout that waits",
        "a checkout that waits for a checkout",
        "a checkout alone",
    ],
)
def test_a_checkout_has_a_pod_if_a_job_needs_its_success_and_not_its_volume(
    graph: Graph, needs: Mapping[str, tuple[str, ...]], load_graph: LoadGraph
) -> None:
    inlined = inline_checkouts(load_graph(graph))
    assert {name: job.needs for name, job in inlined.jobs.items()} == needs
    assert inlined.checkouts.keys() == graph.keys() - needs.keys()


@st.composite
def _graphs(draw: st.DrawFn) -> Graph:
    graph: dict[str, tuple[bool, tuple[str, ...], tuple[str, ...]]] = {}
    for number in range(draw(st.integers(1, 7))):
        is_checkout = draw(st.booleans())
        needs = draw(st.lists(st.sampled_from(list(graph)), unique=True) if graph else st.just([]))
        volumes = [each for each in needs if graph[each][0] and not is_checkout]
        takes = draw(st.lists(st.sampled_from(volumes), unique=True) if volumes else st.just([]))
        graph[f"j{number}"] = (is_checkout, tuple(needs), tuple(takes))
    return graph


@given(_graphs())
def test_a_job_runs_only_after_the_success_of_all_that_it_needs(load_graph: LoadGraph, graph: Graph) -> None:
    """What succeeds first: the pods that a job waits for, and the checkouts in those and in its own."""
    workflow = load_graph(graph)
    inlined = inline_checkouts(workflow)
    needs = {name: job.needs for name, job in workflow.jobs.items()}
    pods = upstream_jobs({name: job.needs for name, job in inlined.jobs.items()})
    for name, upstream in pods.items():
        checkouts = {
            each.source.job
            for pod in (name, *upstream)
            for each in workflow.jobs[pod].inputs.values()
            if isinstance(each.source, FromJob) and each.source.job in inlined.checkouts
        }
        assert upstream | checkouts >= upstream_jobs(needs)[name]
        assert upstream <= upstream_jobs(needs)[name]


def test_layers_of_checkouts_take_no_time(tmp_path: Path) -> None:
    file = tmp_path / "flow.yaml"
    layers = [tuple(f"c{layer}-{each}" for each in range(2)) for layer in range(60)]
    graph: dict[str, tuple[bool, tuple[str, ...], tuple[str, ...]]] = {
        name: (True, layers[number - 1] if number else (), ())
        for number, layer in enumerate(layers)
        for name in layer
    }
    graph["last"] = (False, tuple(graph), tuple(graph))
    file.write_text("jobs:\n" + "".join(_jobs(graph)))
    workflow = load(file)
    start = time.process_time()
    inline_checkouts(workflow)
    assert time.process_time() - start < 5
