"""Which job waits for which, and what jobs of one run do to the same dataset."""

from collections.abc import Callable

import pytest

from argo.language import CheckResult
from argo.language.graph import in_order, upstream_jobs
from argo.language.model import FromJob
from job.datasets.reference import DatasetRef

_WITH = "    uses: script@v1\n    with: {script: s, image: i}\n"


def _job(name: str, *lines: str) -> str:
    return f"  {name}:\n{_WITH}" + "".join(f"    {line}\n" for line in lines)


def test_a_need_that_an_input_implies_is_added(check_text: Callable[[str], CheckResult]) -> None:
    result = check_text(
        "jobs:\n" + _job("a", "outputs: {v: {type: volume}}") + _job("b", "inputs: {v: a.outputs.v}")
    )
    assert result.workflow is not None
    assert result.workflow.jobs["b"].needs == ("a",)
    (diagnostic,) = result.diagnostics
    assert (diagnostic.code, diagnostic.position.line) == ("missing-need", 9)
    assert "might have started too early" in diagnostic.message


def test_a_grandparents_output_needs_an_edge_of_its_own(check_text: Callable[[str], CheckResult]) -> None:
    result = check_text(
        "jobs:\n"
        + _job("a", "outputs: {v: {type: volume}}")
        + _job("b", "needs: [a]")
        + _job("c", "needs: [b]", "inputs: {v: a.outputs.v}")
    )
    assert result.workflow is not None
    assert result.workflow.jobs["c"].needs == ("b", "a")
    (diagnostic,) = result.diagnostics
    assert diagnostic.code == "missing-need"
    assert "too early" not in diagnostic.message


def test_a_cycle_is_named_by_its_jobs(check_text: Callable[[str], CheckResult]) -> None:
    result = check_text(
        "jobs:\n" + _job("a", "needs: [c]") + _job("b", "needs: [a]") + _job("c", "needs: [b]") + _job("d")
    )
    (diagnostic,) = result.diagnostics
    assert (diagnostic.code, diagnostic.message) == (
        "needs-cycle",
        "jobs wait for one another: a → c → b → a",
    )


def test_a_job_can_not_use_its_own_output(check_text: Callable[[str], CheckResult]) -> None:
    result = check_text("jobs:\n" + _job("a", "outputs: {v: {type: volume}}", "inputs: {w: a.outputs.v}"))
    assert [each.code for each in result.diagnostics] == ["needs-cycle"]


def test_needs_is_a_list_of_jobs(check_text: Callable[[str], CheckResult]) -> None:
    result = check_text("jobs:\n" + _job("a") + _job("b", "needs: a") + _job("c", "needs: [A, '']"))
    assert [(each.code, each.key) for each in result.diagnostics] == [
        ("wrong-type", "jobs.b.needs"),
        ("unknown-job", "jobs.c.needs[0]"),
        ("unknown-job", "jobs.c.needs[1]"),
    ]


_WRITES = "outputs: {d: {type: dataset, with: {ref: data}}}"
_READS = "inputs: {d: {type: dataset, with: {ref: data}}}"


def test_a_dataset_written_before_in_the_run_is_read_from_there(
    check_text: Callable[[str], CheckResult],
) -> None:
    result = check_text(
        "jobs:\n"
        + _job("first", _WRITES)
        + _job("second", "needs: [first]", _WRITES)
        + _job("reader", "needs: [second]", _READS)
    )
    assert result.workflow is not None
    assert result.workflow.jobs["reader"].inputs["d"].source == FromJob("second", "d")
    assert result.workflow.jobs["reader"].needs == ("second",)
    assert [each.code for each in result.diagnostics] == ["same-run-dataset"]


def test_a_pinned_version_is_read_as_it_is(check_text: Callable[[str], CheckResult]) -> None:
    result = check_text(
        "jobs:\n"
        + _job("first", _WRITES)
        + _job("reader", "needs: [first]", _READS.replace("ref: data", "ref: 'data:v1'"))
    )
    assert result.workflow is not None
    assert result.workflow.jobs["reader"].inputs["d"].source == DatasetRef("data", "v1")
    assert result.diagnostics == ()


def test_reading_beside_the_writer_is_warned_of(check_text: Callable[[str], CheckResult]) -> None:
    result = check_text("jobs:\n" + _job("first", _WRITES) + _job("reader", _READS))
    assert [each.code for each in result.diagnostics] == ["same-run-dataset"]
    assert "maybe later" in result.diagnostics[0].message


def test_a_job_may_read_the_version_before_its_own(check_text: Callable[[str], CheckResult]) -> None:
    assert check_text("jobs:\n" + _job("a", _READS, _WRITES)).diagnostics == ()


def test_two_writers_at_once_are_warned_of_but_not_two_in_order(
    check_text: Callable[[str], CheckResult],
) -> None:
    at_once = "jobs:\n" + _job("a", _WRITES) + _job("b", _WRITES)
    assert [each.code for each in check_text(at_once).diagnostics] == ["parallel-writes"]
    in_turn = "jobs:\n" + _job("a", _WRITES) + _job("b", "needs: [a]", _WRITES)
    assert check_text(in_turn).diagnostics == ()


def test_the_order_follows_needs_and_else_the_file() -> None:
    needs: dict[str, tuple[str, ...]] = {"d": ("b", "c"), "a": (), "b": ("a",), "c": ("a",)}
    assert in_order(needs) == ["a", "b", "c", "d"]
    assert upstream_jobs(needs)["d"] == {"a", "b", "c"}


@pytest.mark.parametrize(
    ("needs", "hint"),
    [
        ("a", "write [a]"),
        ("a b", "write [a, b]"),
        ("'a, b'", "write [a, b]"),
        ("A", "write [JOB]"),
        ("a c", "write [JOB]"),
    ],
)
def test_needs_in_one_string_are_told_as_a_list(
    needs: str, hint: str, check_text: Callable[[str], CheckResult]
) -> None:
    (diagnostic,) = check_text("jobs:\n" + _job("a") + _job("b") + _job("x", f"needs: {needs}")).diagnostics
    assert diagnostic.hint == hint
