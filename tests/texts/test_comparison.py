from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from argo.texts.comparison import (
    Comparison,
    Counts,
    Kind,
    Order,
    Pair,
    open_comparison,
    read_figures,
)
from argo.texts.index import open_index
from job.datasets import Datasets
from job.datasets.diff import Change, diff_lineage
from tests.texts.conftest import Commit, row

Rows = list[dict[str, object]]


@contextmanager
def compared(datasets: Datasets, commit: Commit, before: Rows, after: Rows) -> Iterator[Comparison]:
    with (
        open_index(datasets, commit(before)) as first,
        open_index(datasets, commit(after)) as second,
        open_comparison(first, second) as comparison,
    ):
        yield comparison


def show(pairs: list[Pair]) -> list[str]:
    return [
        f"{pair.kind} {pair.before.id if pair.before else '-'} {pair.after.id if pair.after else '-'}"
        for pair in pairs
    ]


@pytest.mark.parametrize(
    ("before", "after", "pairs"),
    [
        ([row()], [row()], ["same a a"]),
        ([row(new_tokens=5)], [row(new_tokens=6)], ["same a a"]),
        ([row(text="one")], [row(text="two")], ["changed a a"]),
        ([row(text="")], [row(text="", error="boom")], ["changed a a"]),
        ([row("a"), row("b")], [row("b"), row("c")], ["same a c", "same b b"]),
        ([row("a", prompt="A")], [row("b", prompt="B")], ["only a -", "only - b"]),
        # the same prompt in another line of its file
        (
            [row("1", prompt="A"), row("2", prompt="B")],
            [row("1", prompt="New"), row("2", prompt="A"), row("3", prompt="B")],
            ["only - 1", "same 1 2", "same 2 3"],
        ),
        # the same id with another prompt
        ([row("x", prompt="A"), row("y", prompt="B")], [row("x", prompt="C")], ["changed x x", "only y -"]),
        # one prompt under many ids
        ([row("1"), row("2"), row("3")], [row("7"), row("8")], ["same 1 7", "same 2 8", "only 3 -"]),
        # sequences
        ([row(sequence=1), row(sequence=2)], [row(sequence=2)], ["same a a", "only a -"]),
        ([], [row()], ["only - a"]),
    ],
)
def test_rows_go_in_pairs(
    datasets: Datasets, commit: Commit, before: Rows, after: Rows, pairs: list[str]
) -> None:
    with compared(datasets, commit, before, after) as comparison:
        assert sorted(show(comparison.pairs())) == sorted(pairs)


def test_pairs_are_counted_filtered_and_sorted(datasets: Datasets, commit: Commit) -> None:
    before = [
        row("same"),
        row("little", "one two three four"),
        row("much", "one two three four"),
        row("gone", prompt="A"),
    ]
    after = [
        row("new", prompt="B"),
        row("same"),
        row("little", "one two three five"),
        row("much", "six two seven eight"),
    ]
    with compared(datasets, commit, before, after) as comparison:
        assert comparison.count() == Counts(same=1, changed=2, only_before=1, only_after=1)
        changed = comparison.pairs(Kind.CHANGED)
        assert show(changed) == ["changed little little", "changed much much"]
        assert [pair.difference for pair in changed] == [0.25, 0.75]
        by_difference = comparison.pairs(order=Order.DIFFERENCE)
        assert [pair.difference for pair in by_difference] == [1, 1, 0.75, 0.25, 0]
        assert show(comparison.pairs(Kind.CHANGED, Order.DIFFERENCE, start=1)) == ["changed little little"]
        assert show(comparison.pairs(Kind.ONLY)) == ["only - new", "only gone -"]
        assert show(comparison.pairs())[0] == "only - new"
        partners = [comparison.find_partner(line) for line in (2, 4)]
        assert [partner and partner.id for partner in partners] == ["little", None]


def test_all_pairs_that_differ_come_in_order(datasets: Datasets, commit: Commit) -> None:
    before, after = ([row(str(n), "same" if n % 3 == 0 else word) for n in range(400)] for word in "ab")
    with compared(datasets, commit, before, after) as comparison:
        found = [int(pair.before.id) for pair in comparison.differing() if pair.before]
    assert found == [n for n in range(400) if n % 3]


ROW = st.builds(
    row, st.sampled_from("abc"), st.sampled_from("xy"), st.integers(1, 2), prompt=st.sampled_from("PQ")
)


@settings(max_examples=30, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(ROW, max_size=6), st.lists(ROW, max_size=6))
def test_every_row_is_in_one_pair(datasets: Datasets, commit: Commit, before: Rows, after: Rows) -> None:
    names = [{(each["id"], each["sequence"]) for each in rows} for rows in (before, after)]
    with compared(datasets, commit, before, after) as comparison:
        pairs = comparison.pairs()
    found = [(pair.before, pair.after) for pair in pairs]
    for side, expected in enumerate(names):
        rows = [pair[side] for pair in found]
        assert sorted((each.id, each.sequence) for each in rows if each) == sorted(expected)
    for first, second in found:
        assert first is None or second is None or first.sequence == second.sequence


def test_settings_and_figures_that_differ(datasets: Datasets, commit: Commit) -> None:
    records = [
        {
            "settings": {"seed": seed},
            "run": {"model": "m", "versions": {"torch": "2"}},
            "rows": 1,
            "seconds": 2.5,
        }
        for seed in (1, 2)
    ]
    versions = [commit([row()], record) for record in records]
    manifests = [datasets.manifest(version) for version in versions]
    assert diff_lineage(*manifests) == [Change("generation.seed", "1", "2")]
    assert read_figures(datasets, versions[0], manifests[0]) == {"rows": "1", "seconds": "2.5"}


@pytest.mark.parametrize("record", [None, [1], "x", {"settings": 7}])
def test_a_run_json_of_another_form_has_no_figures(
    datasets: Datasets, commit: Commit, record: object
) -> None:
    version = commit([row()], record)
    assert read_figures(datasets, version, datasets.manifest(version)) == {}
    assert diff_lineage(*[datasets.manifest(version)] * 2) == []
