"""What is a structure, and what is said of what is none."""

from pathlib import Path

import pytest

from job.errors import SettingsError
from job.generate.options import read_settings
from job.generate.run import command
from job.generate.settings import TABLE, load_settings

SCHEMA = '{"type": "object", "properties": {"a": {"type": "string"}}}'


def test_a_schema_comes_from_a_file_or_is_the_value(tmp_path: Path) -> None:
    file = tmp_path / "schema.json"
    file.write_text(SCHEMA.replace(", ", ",\n"))
    assert load_settings(flags={"json_schema": str(file)}).json_schema == SCHEMA
    assert load_settings(environ={"TEXTGEN_JSON_SCHEMA": SCHEMA}).json_schema == SCHEMA


def test_choices_are_a_list_or_stand_between_commas(tmp_path: Path) -> None:
    file = tmp_path / "s.toml"
    file.write_text('choices = ["a, b", "c"]\n')
    assert load_settings(file).choices == ("a, b", "c")
    assert load_settings(flags={"choices": "yes, no,maybe"}).choices == ("yes", " no", "maybe")
    assert load_settings(flags={"choices": '["a, b", "c"]'}).choices == ("a, b", "c")


@pytest.mark.parametrize(
    ("flags", "choices"),
    [
        (["--choices=a,b"], ("a", "b")),
        (["--choices=a", "--choices=b, c"], ("a", "b, c")),
        (['--choices=["a, b"]'], ("a, b",)),
    ],
)
def test_choices_of_a_command_line(flags: list[str], choices: tuple[str, ...]) -> None:
    context = command.make_context("generate", flags)
    given = {name: value for name, value in context.params.items() if name in TABLE}
    assert read_settings(None, None, given).choices == choices


def test_a_later_source_replaces_the_structure_of_an_earlier_one(tmp_path: Path) -> None:
    file = tmp_path / "s.toml"
    file.write_text('choices = ["a"]\n')
    settings = load_settings(file, flags={"regex": "b"})
    assert (settings.choices, settings.regex) == ((), "b")
    with pytest.raises(SettingsError, match=r"^--choices: give regex or choices, not both$"):
        load_settings(flags={"regex": "b", "choices": "a,b"})


@pytest.mark.parametrize(
    ("schema", "message"),
    [
        ('{"a":\n  1,}', r"schema\.json:2:5: not JSON: "),
        ('{"minimum": 1e999}', r"schema\.json: not JSON: Out of range float values are not JSON"),
        ('{"const": "\\ud800"}', r"schema\.json: half of a surrogate pair in it$"),
        ('{"items":' * 300 + "{}" + "}" * 300, r"schema\.json: #/items/items.*…: recursion limit exceeded"),
        ('{"items":' * 900 + "{}" + "}" * 900, r"schema\.json: #: recursion limit exceeded"),
        ('{"items":' * 9000 + "{}" + "}" * 9000, r"schema\.json: not JSON: maximum recursion depth exceeded"),
        ("[]", r"schema\.json: a JSON schema is an object; write "),
        ('{"minimum": NaN}', r"schema\.json: not JSON: NaN is no number of JSON$"),
        (
            '{"properties": {"a/b": {"items": {"type": "text"}}}}',
            r"#/properties/a~1b/items: Invalid type: text$",
        ),
        (
            '{"$defs": {"x": {"type": 1}}, "properties": {"a": {"$ref": "#/$defs/x"}}}',
            r"#/\$defs/x: type must be",
        ),
        (
            '{"properties": {"a": {"$ref": "#/$defs/x"}}}',
            r"#/properties/a: Pointer '/\$defs/x' does not exist$",
        ),
        (
            '{"type": "string", "pattern": "(?=a)"}',
            r"schema\.json: #: look-around, including .* not supported$",
        ),
        ('{"not": {}}', r"schema\.json: #: Unimplemented keys: \[\"not\"\]$"),
    ],
)
def test_a_schema_that_is_none_is_one_line_with_the_place(tmp_path: Path, schema: str, message: str) -> None:
    file = tmp_path / "schema.json"
    file.write_text(schema)
    with pytest.raises(SettingsError, match=message) as raised:
        load_settings(flags={"json_schema": str(file)})
    assert "\n" not in str(raised.value)


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        (
            "json_schema",
            "no/such.json",
            r"^--json-schema: json_schema: 'no/such\.json' can't be read: No such fi",
        ),
        ("json_schema", "{", r"^--json-schema: json_schema:1:2: not JSON: "),
        ("regex", "a(b", r"^regex: unclosed group: 'a\(b'$"),
        ("regex", r"\bfoo", r"^regex: lookarounds not supported yet"),
        ("choices", "a,,b", r"^--choices: choices must be a list of strings that are not empty, not 'a,,b'$"),
    ],
)
def test_what_is_no_structure_is_one_line(name: str, value: str, message: str) -> None:
    with pytest.raises(SettingsError, match=message) as raised:
        load_settings(flags={name: value})
    assert "\n" not in str(raised.value)


@pytest.mark.parametrize(
    ("name", "value"),
    [("stop", ("a",)), ("bad_words", ("a",)), ("ignore_eos", "true"), ("min_new_tokens", "2")],
)
def test_what_would_break_a_structure_does_not_go_with_it(name: str, value: object) -> None:
    with pytest.raises(SettingsError, match=rf"^regex and {name} can't be used together; leave one out$"):
        load_settings(flags={"regex": "a", name: value})
