"""How far a run has come, as text."""

import pytest

from job.generate import progress


@pytest.mark.parametrize(
    ("tokens", "seconds", "text"),
    [(370, 10, "37 tokens/s"), (3, 10, "0.3 tokens/s"), (0, 0, "0.0 tokens/s")],
)
def test_a_slow_speed_has_a_digit_more(tokens: int, seconds: float, text: str) -> None:
    assert progress.format_speed(tokens, seconds) == text


@pytest.mark.parametrize(
    ("seconds", "text"), [(0.4, "0 s"), (89, "89 s"), (90, "2 min"), (5300, "88 min"), (11_100, "3 h 5 min")]
)
def test_seconds_are_told_in_the_unit_that_fits(seconds: float, text: str) -> None:
    assert progress.format_seconds(seconds) == text


def test_a_pipe_gets_the_share_and_the_time_that_is_left(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = iter((0.0, 2.0, 10.0, 12.0))
    monkeypatch.setattr("time.monotonic", lambda: next(clock))
    with progress.report_progress(total=500, done=100) as advance:
        for _ in range(3):
            advance(14, 140)
    assert capsys.readouterr().err == "128 of 500 texts (26%), 28 tokens/s, 2 min left\n"


def test_without_a_stderr_the_run_goes_on(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.stderr", None)
    with progress.report_progress(total=2) as advance:
        advance(1, 10)
