import json
import tracemalloc
from collections.abc import Iterable, Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from argo.texts.rows import LARGEST_ROW, BrokenRow, Lines, Names, Row, read_rows
from tests.texts.conftest import row


def read_chunks(chunks: Iterable[bytes], names: Names | None = None) -> list[Row | BrokenRow]:
    return list(read_rows(Lines([("outputs.jsonl", chunks)]), names))


def read(*lines: object) -> list[Row | BrokenRow]:
    texts = (line if isinstance(line, bytes) else json.dumps(line).encode() for line in lines)
    return read_chunks([b"\n".join(texts)])


def test_a_row_has_its_prompt_apart() -> None:
    (found,) = read(row("x", "Hello you", 2))
    assert found == Row(1, "x", 2, "Say:", " Hello you", "Say: Hello you", 2, 2, "stop")


@pytest.mark.parametrize(
    ("fields", "completion", "text"),
    [
        ({"prompt": "A", "text": "A b"}, " b", "A b"),
        ({"prompt": "A", "text": "b"}, "b", "b"),
        ({"text": "b"}, "b", "b"),
        ({"prompt": "A", "completion": " b"}, " b", "A b"),
        ({"prompt": "A", "completion": "b", "text": "<s>A</s>b"}, "b", "<s>A</s>b"),
        ({"prompt": "A", "text": None, "error": "too long"}, "", "A"),
    ],
)
def test_a_completion_is_the_field_or_what_follows_the_prompt(
    fields: dict[str, object], completion: str, text: str
) -> None:
    (found,) = read(fields)
    assert isinstance(found, Row)
    assert (found.completion, found.text) == (completion, text)


@pytest.mark.parametrize(
    ("fields", "prompt"),
    [
        # a template's prompt, of which the row's own is a part
        ({"prompt": "cats", "text": "About cats: they purr", "completion": " they purr"}, "About cats:"),
        (
            {"messages": [{"role": "user", "content": "Hi"}], "text": "Hello", "completion": "Hello"},
            "user: Hi",
        ),
        (
            {"body": {"messages": [{"role": "user", "content": [{"type": "text", "text": "Hi"}]}]}}
            | {"text": "Hello", "completion": "Hello"},
            "user: Hi",
        ),
        ({"body": {"prompt": "Hi"}, "text": "Hi you", "completion": " you"}, "Hi"),
        ({"messages": [1, {"role": "a"}], "text": "b", "completion": "b"}, "1\n\na: null"),
        ({"messages": [], "body": [], "prompt": {}, "text": "b", "completion": "b"}, ""),
    ],
)
def test_a_prompt_is_what_the_text_begins_with_or_the_messages(
    fields: dict[str, object], prompt: str
) -> None:
    (found,) = read(fields)
    assert isinstance(found, Row)
    assert found.prompt == prompt
    assert {name: found.to_json()[name] for name in fields if name != "prompt"} == {
        name: value for name, value in fields.items() if name != "prompt"
    }


def test_fields_have_the_names_that_the_settings_gave_them() -> None:
    written = {
        "q": "A",
        "text": "own",
        "gen_id": "x",
        "gen_text": "A b",
        "gen_sequence": 2,
        "gen_new_tokens": 1,
    }
    (found,) = read_chunks([json.dumps(written).encode()], Names("gen_", "q"))
    assert found == Row(1, "x", 2, "A", " b", "A b", new_tokens=1, other={"text": "own"})


def test_a_row_without_an_id_has_its_line_as_id() -> None:
    assert [
        found.id for found in read({"text": "a"}, {"text": "b", "id": None}) if isinstance(found, Row)
    ] == [
        "1",
        "2",
    ]


def test_unknown_fields_are_kept() -> None:
    written = row(score=[0.5, {"a": None}], line=7)
    (found,) = read(written)
    assert isinstance(found, Row)
    assert found.to_json() == {**written, "completion": " Hello"}


@pytest.mark.parametrize(
    ("error", "message"),
    [("boom", "boom"), ({"code": 1, "message": "boom"}, "boom"), ({"code": 1}, '{"code": 1}'), (None, "")],
)
def test_an_error_is_a_text_or_an_object(error: object, message: str) -> None:
    (found,) = read(row(error=error))
    assert isinstance(found, Row)
    assert found.error == message


@pytest.mark.parametrize(
    "fields",
    [{"new_tokens": "many", "prompt_tokens": True}, {"new_tokens": 10**30, "prompt_tokens": 1.5}],
)
def test_a_number_that_is_none_is_left_out(fields: dict[str, object]) -> None:
    (found,) = read(row() | fields)
    assert isinstance(found, Row)
    assert (found.new_tokens, found.prompt_tokens) == (None, None)


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        (b"{", "not JSON"),
        (b"\xff\xfe\x00", "not UTF-8"),
        (b"[1]", "not a JSON object"),
        (b'{"id": "a"}', 'no string "text"'),
        (b'{"text": 7}', 'no string "text"'),
        (b'{"text": "\\ud800"}', "text with a lone surrogate"),
        (b"[" * 200_000, "values more than 100 deep"),
        (b'{"text": "' + b"a" * (10 << 20) + b'"}', "over 4 MiB"),
    ],
)
def test_a_line_that_is_no_row_is_named_and_the_next_one_read(line: bytes, reason: str) -> None:
    broken, after = read(line, row())
    assert str(broken) == f"outputs.jsonl:1: {reason}"
    assert isinstance(after, Row)
    assert after.line == 2


def test_lines_end_as_they_do_elsewhere() -> None:
    body = (
        b"\xef\xbb\xbf"
        + json.dumps(row("a")).encode()
        + b"\r\n\n"
        + json.dumps(row("b", "x\u2028y")).encode()
    )
    assert [(found.line, getattr(found, "id", found)) for found in read_chunks([body])] == [
        (1, "a"),
        (3, "b"),
    ]


@given(st.lists(st.binary(max_size=8) | st.just(b"\n") | st.just(b'{"text": "a"}\n')), st.integers(1, 9))
def test_rows_do_not_depend_on_how_the_bytes_come(pieces: list[bytes], size: int) -> None:
    body = b"".join(pieces)
    chunks = [body[start : start + size] for start in range(0, len(body), size)]
    assert read_chunks(chunks) == read_chunks([body])


def test_lines_are_counted_over_all_files_and_named_in_their_own() -> None:
    text = b'{"text": "a"}'
    files = [("first", [text + b"\n\n{\n"]), ("second", [text]), ("third", []), ("fourth", [b"\n["])]
    assert [
        (found.line, found.id if isinstance(found, Row) else str(found)) for found in read_rows(Lines(files))
    ] == [(1, "1"), (3, "first:3: not JSON"), (4, "4"), (6, "fourth:2: not JSON")]


def test_a_line_without_an_end_takes_no_memory() -> None:
    def chunks() -> Iterator[bytes]:
        for _ in range(64):
            yield bytes(1 << 20)

    tracemalloc.start()
    try:
        (broken,) = read_chunks(chunks())
        assert isinstance(broken, BrokenRow)
        assert tracemalloc.get_traced_memory()[1] < 4 * LARGEST_ROW
    finally:
        tracemalloc.stop()
