import json

import pytest

from job.generate.shards.plan_json import PlannedTexts, read_planned_texts

PLAN = {"prompts": 2, "texts_of_shards": [2, 1, 0], "settings": {"seed": 7}}


def test_a_plan_says_how_many_texts_each_shard_has() -> None:
    assert read_planned_texts(json.dumps(PLAN).encode()) == PlannedTexts(2, (2, 1, 0), {"seed": 7})


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        ({"prompts": None}, "not a plan of shards"),
        ({"prompts": -1}, "not a plan of shards"),
        ({"texts_of_shards": 3}, "not a plan of shards"),
        ({"texts_of_shards": [True]}, "not a plan of shards"),
        ({"texts_of_shards": ["1"]}, "not a plan of shards"),
        ({"settings": 7}, "not a plan of shards"),
        ({"texts_of_shards": []}, "has 0 shards; there may be 1 to 1000"),
        ({"texts_of_shards": [0] * 1001}, "has 1001 shards; there may be 1 to 1000"),
    ],
)
def test_what_is_no_plan_is_refused(change: dict[str, object], problem: str) -> None:
    with pytest.raises(ValueError, match=problem):
        read_planned_texts(json.dumps({**PLAN, **change}).encode())


@pytest.mark.parametrize("body", [b"", b"[]", b"7", b"{", b"[" * 100_000])
def test_what_is_no_object_is_refused(body: bytes) -> None:
    with pytest.raises(ValueError, match=r"not|deep"):
        read_planned_texts(body)
