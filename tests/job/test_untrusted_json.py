"""JSON of a job: what can't be kept or added up is refused in one line."""

import pytest

from job.untrusted_json import parse_json, parse_record


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        (b"[" * 200_000, "values more than 100 deep"),
        (b"[" * 150 + b"]" * 150, "values more than 100 deep"),
        (rb'{"a": ["\ud800"]}', "text with a lone surrogate"),
        (rb'{"\ud800": 1}', "text with a lone surrogate"),
        (b'"\xff"', "not UTF-8"),
        (b"{", "not JSON"),
        (b"", "not JSON"),
    ],
)
def test_json_that_is_not_safe_to_keep_is_refused_in_one_line(body: bytes, reason: str) -> None:
    with pytest.raises(ValueError, match=f"^{reason}$"):
        parse_json(body)


@pytest.mark.parametrize("number", ["NaN", "-Infinity", "1e999", "18446744073709551616", "9" * 999])
def test_a_number_that_few_programs_read_is_shown_and_not_kept(number: str) -> None:
    assert isinstance(parse_json(number), float | int)
    with pytest.raises(ValueError, match=r"^a number (that is not finite|of more than 64 bits)$"):
        parse_record(f"[{number}]".encode())
    assert parse_record(b"[18446744073709551615, -1.5]") == [2**64 - 1, -1.5]


def test_json_with_all_of_unicode_is_read() -> None:
    assert parse_json(rb'{"text": "\ud83d\ude42 \u0000"}') == {"text": "🙂 \0"}
