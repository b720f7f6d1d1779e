"""The state that follows from any entries."""

from hypothesis import given
from hypothesis import strategies as st

from job.datasets import Producer
from job.datasets.history import Entry, Kind, replay
from tests.datasets.conftest import entry

KINDS = st.sampled_from(list(Kind))
NAMES = st.sampled_from("abc")
PRODUCERS = st.none() | st.builds(Producer, NAMES, NAMES, NAMES)


@given(st.lists(st.builds(entry, KINDS, NAMES, NAMES, PRODUCERS), max_size=30))
def test_what_any_history_comes_to(entries: list[Entry]) -> None:
    state = replay(entries)
    assert state.live.keys().isdisjoint(state.tombstones)
    assert set(state.tags.values()).isdisjoint(state.tombstones)
    producers = [e.producer for e in state.live.values() if e.producer]
    assert len(producers) == len(set(producers))
    assert state.latest == (list(state.live)[-1] if state.live else None)
    assert [Entry.from_json(e.to_json()) for e in entries] == entries


def test_stores_keep_the_field_names_of_an_entry() -> None:
    stored = {
        "id": "x",
        "kind": "commit",
        "at": "2026-01-01T00:00:00+00:00",
        "version": "v",
        "message": "first",
        "origin": {"run": "r", "job": "j", "output": "o"},
        "files": 1,
        "size": 2,
        "manifest": "0" * 64,
    }
    decoded = Entry.from_json(stored)
    assert decoded.producer == Producer("r", "j", "o")
    assert decoded.to_json() == stored
