import json
from pathlib import Path
from typing import Any

import pytest

from job.errors import CommitError
from job.generate.shards.record import ShardsRecord, read_shard_record
from job.untrusted_files import UntrustedPath


def record(rows: int = 2, second: int = 1, **fields: object) -> dict[str, Any]:
    """run.json of a shard that is done."""
    return {
        "state": "completed",
        "run": {"model": "tiny", "seed": 7},
        "settings": {"seed": 7, "max_errors": 0, "format": "jsonl"},
        "prompts": rows,
        "threads": 2,
        "started": f"2026-01-01T00:00:0{second}+00:00",
        "resumed_at": 1,
        "rows": rows,
        "left_out": 0,
        "counts": {
            "texts": rows - 1,
            "errors": 1,
            "finish_reasons": {"stop": rows - 1},
            "prompt_tokens": 10 * rows,
            "new_tokens": 20 * rows,
        },
        "finished": f"2026-01-01T00:01:0{second}+00:00",
        "new_tokens": 20 * rows,
        "seconds": 2.0,
        "tokens_per_second": 10.0 * rows,
        **fields,
    }


def test_figures_are_added_up_and_times_are_the_first_and_the_last() -> None:
    total = ShardsRecord()
    total.add(0, 2, record(2, 3))
    total.add(1, 3, record(3, 1, counts={**record(3)["counts"], "finish_reasons": {"length": 2}}))
    total.add(2, 0, {**record(0), "counts": {"errors": 0}})
    built = total.build(prompts=4, shards=3)
    assert {
        name: built[name] for name in ("rows", "counts", "new_tokens", "seconds", "tokens_per_second")
    } == {
        "rows": 5,
        "counts": {
            "texts": 3,
            "errors": 2,
            "finish_reasons": {"length": 2, "stop": 1},
            "prompt_tokens": 50,
            "new_tokens": 100,
        },
        "new_tokens": 100,
        "seconds": 4.0,
        "tokens_per_second": 25.0,
    }
    assert (built["started"][-8:-6], built["finished"][-8:-6]) == ("01", "03")
    assert (built["prompts"], built["shards"]) == (4, 3)
    assert built["run"] == record()["run"]
    assert {"resumed_at", "left_out"}.isdisjoint(built)


def test_shards_of_different_runs_are_refused_with_what_differs() -> None:
    total = ShardsRecord()
    total.add(0, 2, record())
    with pytest.raises(CommitError, match=r"shards 0 and 3 differ \(seed 7 and 8\)"):
        total.add(3, 2, record(run={"model": "tiny", "seed": 8}))
    with pytest.raises(CommitError, match=r"differ \(seed 7 and 8\\n8\\n8.*…\); start the run again$"):
        total.add(3, 2, record(run={"model": "tiny", "seed": "8\n" * 999}))


def test_a_shard_without_all_its_texts_is_refused_unless_a_row_is_wrong() -> None:
    with pytest.raises(CommitError, match="shard 1 has 2 rows, and 3 texts were planned"):
        ShardsRecord().add(1, 3, record())
    with pytest.raises(CommitError, match="shard 1 has 2 rows, and 1 text was planned"):
        ShardsRecord().add(1, 1, record())
    ShardsRecord().add(1, 3, record(left_out=1))


def test_errors_of_all_shards_are_counted_together() -> None:
    total = ShardsRecord()
    for index in range(3):
        total.add(index, 2, record(settings={"format": "jsonl", "max_errors": 2}))
    with pytest.raises(CommitError, match="3 rows of all shards are wrong, and max_errors is 2"):
        total.build(6, 3)


def test_no_text_at_all_is_no_version() -> None:
    with pytest.raises(CommitError, match="no shard has a row"):
        ShardsRecord().build(0, 1)


@pytest.mark.parametrize(
    "wrong",
    [
        None,
        [],
        {},
        record(state="stopped"),
        record(rows=-1),
        record(rows=True),
        record(counts=None),
        record(counts={"texts": 1}),
        record(started="yesterday"),
        record(finished="2026-01-01T00:00:00"),  # of no zone
        record(seconds="1"),
        record(seconds=-1),
        record(seconds=1e300),
        record(run=None),
        record(settings=[]),
        record(settings={"format": "../x", "max_errors": 0}),
        record(settings={"format": [], "max_errors": 0}),
        record(settings={"format": "jsonl", "max_errors": "1"}),
    ],
)
def test_what_is_no_record_of_a_shard_that_is_done_is_named(wrong: object, tmp_path: Path) -> None:
    path = tmp_path / "run.json"
    path.write_text(json.dumps(record()))
    assert read_shard_record(UntrustedPath.at(path)) == record()
    path.write_text(json.dumps(wrong))
    with pytest.raises(CommitError, match=r"^a/run\.json: not that of a shard that is done$"):
        read_shard_record(UntrustedPath.at(path, "a/run.json"))


@pytest.mark.parametrize("number", [float("nan"), float("inf"), 10**400])
def test_a_record_with_a_number_that_few_programs_read_is_refused(number: float, tmp_path: Path) -> None:
    path = tmp_path / "run.json"
    path.write_text(json.dumps(record(run={"model": number})))
    with pytest.raises(
        CommitError, match=r"^a/run\.json: a number (that is not finite|of more than 64 bits)$"
    ):
        read_shard_record(UntrustedPath.at(path, "a/run.json"))
