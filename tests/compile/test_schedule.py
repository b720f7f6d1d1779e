"""A schedule that Argo would refuse, or that its template can't follow, is refused where it is typed."""

from pathlib import Path

import pytest

from argo.compile import ClusterConfig, FileOrigin, Kind
from argo.compile.schedule import check_schedule
from argo.compile.workflow import build
from argo.language import load
from job.errors import InputError

FLOW = "inputs: {seed: {type: string}}\njobs: {a: {uses: script@v1, with: {image: a, script: s}}}\n"


@pytest.mark.parametrize(
    "schedule",
    [
        *(
            "0 3 * * *",
            "*/5 * * * *",
            "0 0 1,15 * MON-FRI",
            "59 23 31 12 6",
            "0 6 ? jan sun",
            "5/15 0-6/2 * * *",
        ),
        *("@daily", "@hourly", "@every 1h30m", "CRON_TZ=Asia/Tokyo 0 6 * * *"),
    ],
)
def test_a_schedule_that_argo_takes_is_taken(schedule: str) -> None:
    check_schedule(schedule)


@pytest.mark.parametrize(
    ("schedule", "says"),
    [
        ("61 * * * *", "the minute '61' is not valid; write * or 0 to 59"),
        ("0 24 * * *", "the hour '24'"),
        ("0 0 0 * *", "the day of month '0'"),
        ("0 0 * 13 *", "the month '13'"),
        ("0 0 * * 7", "the day of week '7'"),
        ("0 0 * * mo", "the day of week 'mo'"),
        ("5-1 * * * *", "the minute '5-1'"),
        ("*/0 * * * *", "the minute '*/0'"),
        ("1,,2 * * * *", "the minute '1,,2'"),
        ("-1 * * * *", "the minute '-1'"),
        ("0 3 * *", "has 4 fields; write five"),
        ("0 0 3 * * *", "has 6 fields; write five"),
        ("daily", "has 1 field; write five"),
        ("@dayly", "has 1 field; write five"),
    ],
)
def test_another_one_is_refused_by_its_field(schedule: str, says: str) -> None:
    with pytest.raises(InputError) as caught:
        check_schedule(schedule)
    assert says in str(caught.value)


def test_a_cron_workflow_needs_every_value(tmp_path: Path) -> None:
    file = tmp_path / "flow.yaml"
    file.write_text(FLOW)
    workflow, origin = load(file), FileOrigin("flow.yaml")
    with pytest.raises(InputError, match="needs a value for seed; give it with -p seed=VALUE"):
        build(workflow, Kind.CRON, ClusterConfig(), origin, schedule="0 3 * * *")
    document = build(workflow, Kind.CRON, ClusterConfig(), origin, schedule="0 3 * * *", values={"seed": "7"})
    assert document["spec"]["workflowSpec"]["arguments"]["parameters"] == [{"name": "seed", "value": "7"}]
    with pytest.raises(InputError, match="the minute '61' is not valid"):
        build(workflow, Kind.CRON, ClusterConfig(), origin, schedule="61 * * * *", values={"seed": "7"})
    with pytest.raises(InputError, match="no input 'sead'"):
        build(workflow, Kind.CRON, ClusterConfig(), origin, schedule="0 3 * * *", values={"sead": "7"})
