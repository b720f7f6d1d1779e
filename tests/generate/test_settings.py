"""Where a setting's value comes from, and what is refused."""

import json
import re
import tomllib
from collections.abc import Mapping
from dataclasses import fields
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from job.errors import SettingsError
from job.generate.prompts.row_settings import NAMES
from job.generate.settings import DEFAULT_FILE, TABLE, Settings, load_settings, parse_value
from job.generate.structure import SETTINGS as STRUCTURES

TUTORIAL = {
    "seed": 42,
    "max_length": 30,
    "num_return_sequences": 5,
    "prompt": "Hello, I'm a language model,",
}


def test_the_file_holds_the_four_of_the_tutorial() -> None:
    assert tomllib.loads(DEFAULT_FILE.read_text()) == TUTORIAL


def test_the_file_shows_every_other_setting_with_its_default() -> None:
    shown = tomllib.loads(DEFAULT_FILE.read_text().replace("\n# ", "\n").split("change one.\n")[1])
    others = {row.name: row.default for row in fields(Settings) if row.name not in TUTORIAL}
    assert json.dumps(shown, sort_keys=True) == json.dumps(others, sort_keys=True)


def test_a_later_place_wins(tmp_path: Path) -> None:
    file, inputs = tmp_path / "s.toml", tmp_path / "inputs"
    file.write_text("seed = 1\ntop_k = 1\nmax_length = 1\nbatch_size = 1\n")
    inputs.mkdir()
    for name in ("top_k", "max_length", "batch_size"):
        (inputs / name).write_text("2")
    (inputs / "repo").mkdir()
    (inputs / "seed").write_text("")
    environ = {"TEXTGEN_MAX_LENGTH": "3", "TEXTGEN_BATCH_SIZE": "3", "TEXTGEN_SEED": ""}
    loaded = load_settings(file, inputs, environ, {"batch_size": "4"})
    assert (loaded.seed, loaded.top_k, loaded.max_length, loaded.batch_size) == (1, 2, 3, 4)


def test_an_input_file_may_end_as_echo_ends_it(tmp_path: Path) -> None:
    (tmp_path / "prompt").write_text("two\nlines\n")
    assert load_settings(inputs=tmp_path).prompt == "two\nlines"


def test_a_list_comes_from_each_source(tmp_path: Path) -> None:
    file = tmp_path / "s.toml"
    file.write_text('stop = ["a", "[b]"]\n')
    assert load_settings(file).stop == ("a", "[b]")
    assert load_settings(environ={"TEXTGEN_STOP": "one, two"}).stop == ("one, two",)
    assert load_settings(environ={"TEXTGEN_STOP": '["\\n", "x"]'}).stop == ("\n", "x")
    assert load_settings(flags={"stop": ("a", "b")}).stop == ("a", "b")


def test_an_empty_text_in_a_list_is_shown_as_a_list() -> None:
    with pytest.raises(SettingsError, match=r"^--stop: stop must be a list of strings .*, not \['a', ''\]$"):
        load_settings(flags={"stop": ("a", "")})


def test_prompt_and_prompts_replace_each_other(tmp_path: Path) -> None:
    file = tmp_path / "s.toml"
    file.write_text('prompts = "many.txt"\n')
    assert load_settings(file, flags={"prompt": "one"}).prompts == ""
    assert load_settings(flags={"prompts": "many.txt"}).prompt == Settings().prompt
    with pytest.raises(SettingsError, match="give prompt or prompts, not both"):
        load_settings(flags={"prompt": "one", "prompts": "many.txt"})


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("max_lenght = 5", r"s\.toml:2: unknown setting 'max_lenght'; did you mean 'max_length'\?"),
        ('stop = "a"', r"s\.toml:2: stop must be a list of strings that are not empty, not 'a'"),
        ('stop = [""]', r"s\.toml:2: stop must be a list of strings that are not empty, not \[''\]"),
        ('seed = "42"', r"s\.toml:2: seed must be an integer, not '42'"),
        ("seed = true", r"s\.toml:2: seed must be an integer, not True"),
        ("seed = 1.5", r"s\.toml:2: seed must be an integer, not 1\.5"),
        ("num_return_sequences = 0", r"s\.toml:2: num_return_sequences must be at least 1, not 0"),
        ("temperature = 0", r"s\.toml:2: temperature must be above 0, not 0; for 0, set greedy$"),
        ("top_p = 1.5", r"s\.toml:2: top_p must be at most 1, not 1\.5"),
        ("temperature = inf", r"s\.toml:2: temperature must be at most 1000000000\.0, not inf"),
        ("temperature = 1e-40", r"s\.toml:2: temperature must be at least 1e-09, not 1e-40; for 0, set gr"),
        ("repetition_penalty = 1e300", r"s\.toml:2: repetition_penalty must be at most 1000000000\.0, not "),
        ("temperature = nan", r"s\.toml:2: temperature must be above 0, not nan"),
        ('device = "tpu"', r"s\.toml:2: device must be auto, cpu, mps, cuda or cuda:N,M, not 'tpu'"),
        ('model = " "', r"s\.toml:2: model must be a name or a path, not ' '"),
        ('format = "csv"', r"s\.toml:2: format must be jsonl, parquet or openai, not 'csv'$"),
        ('on_error = "go on"', r"s\.toml:2: on_error must be fail or skip, not 'go on'$"),
        ('prompt_field = ""', r"s\.toml:2: prompt_field must be the name of a field, not ''$"),
        ("[sampling]", r"s\.toml:2: unknown setting 'sampling'; write one of seed, .* and \d+ more"),
        ("prompt = ", r"s\.toml: not TOML: .*line 2"),
        pytest.param(f"seed = {'9' * 5000}", r"s\.toml: not TOML: ", id="digits"),
        pytest.param(f"stop = {'[' * 5000}", r"s\.toml: not TOML: ", id="brackets"),
    ],
)
def test_a_slip_in_the_file_is_reported_with_its_line(tmp_path: Path, line: str, message: str) -> None:
    file = tmp_path / "s.toml"
    file.write_text(f"# settings\n{line}\n")
    with pytest.raises(SettingsError, match=message):
        load_settings(file)


@pytest.mark.parametrize(
    ("environ", "message"),
    [
        ({"TEXTGEN_SEEED": "1"}, r"TEXTGEN_SEEED: unknown setting 'seeed'; did you mean 'seed'\?"),
        ({"TEXTGEN_SEED": "x"}, r"TEXTGEN_SEED: seed must be an integer, not 'x'"),
        ({"TEXTGEN_GREEDY": "maybe"}, r"TEXTGEN_GREEDY: greedy must be true or false, not 'maybe'"),
        ({"TEXTGEN_PROMPT": "a\udcff"}, r"TEXTGEN_PROMPT: prompt must be UTF-8, not 'a\\udcff'"),
        ({"TEXTGEN_STOP": "a\udcff"}, r"TEXTGEN_STOP: stop must be UTF-8, not 'a\\udcff'"),
        pytest.param(
            {"TEXTGEN_STOP": "[" * 100_000}, r"TEXTGEN_STOP: stop must be a list", id="TEXTGEN_STOP=[[["
        ),
    ],
)
def test_a_slip_in_the_environment_is_reported_with_its_name(
    environ: Mapping[str, str], message: str
) -> None:
    with pytest.raises(SettingsError, match=message):
        load_settings(environ=environ)


def test_the_program_s_other_variables_are_none_of_the_job_s() -> None:
    others = {"TEXTGEN_STORE": "s3://b", "TEXTGEN_GIT_PASSWORD": "p"}
    assert load_settings(environ=others) == Settings()


def test_an_unknown_input_is_reported_with_its_file(tmp_path: Path) -> None:
    (tmp_path / "seeds").write_text("1")
    with pytest.raises(SettingsError, match=r"/seeds: unknown setting 'seeds'; did you mean 'seed'\?"):
        load_settings(inputs=tmp_path)


@pytest.mark.parametrize("content", [b"prompt = '\xff'", None])
def test_a_file_that_cannot_be_read_is_one_line(tmp_path: Path, content: bytes | None) -> None:
    file = tmp_path / "s.toml"
    if content is not None:
        file.write_bytes(content)
    with pytest.raises(SettingsError, match=r"s\.toml: (not UTF-8|can't be read)"):
        load_settings(file)


@given(name=st.sampled_from(sorted(TABLE)), text=st.text())
def test_any_text_is_a_value_or_one_line_that_names_the_setting(name: str, text: str) -> None:
    try:
        assert type(parse_value(name, text, "here")) is type(TABLE[name].default)
    except SettingsError as error:
        assert str(error).startswith(f"here: {name} ")
        assert "\n" not in str(error)


ROW_SETTINGS = {*NAMES.values(), "greedy", *STRUCTURES}
_TYPES = {int: "an integer", float: "a number", bool: "true or false", str: "a string"}


def describe_values(name: str) -> str:
    """The type of a setting and its bounds, as the page has them."""
    row = TABLE[name]
    words = [_TYPES.get(type(row.default), "a list of strings")]
    limits = row.metadata
    if limits["pattern"] and re.fullmatch(r"[a-z0-9-]+(\|[a-z0-9-]+)+", limits["pattern"]):
        words = ["one of these words"]
    bounds = {"minimum": "at least", "above": "above", "maximum": "at most"}
    if limits["minimum"] is not None:
        del bounds["above"]  # it says no more
    words += [f"{word} {limits[bound]}" for bound, word in bounds.items() if limits[bound] is not None]
    return ", ".join(words).replace("1e-09", "1e-9").replace("1000000000.0", "1e9")


def test_the_page_has_the_table_of_settings() -> None:
    page = (Path(__file__).parents[2] / "docs/settings.md").read_text("utf-8")
    for name, row in TABLE.items():
        cells = [
            f"`{name}`",
            describe_values(name),
            f"`{json.dumps(row.default)}`",
            "yes" if name in ROW_SETTINGS else "",
            row.metadata["help"],
        ]
        assert f"| {' | '.join(cells)} |" in page


@pytest.mark.parametrize("name", ["prompts", "model"])
def test_an_input_that_is_a_folder_is_the_path_of_the_setting_of_its_name(tmp_path: Path, name: str) -> None:
    (tmp_path / name).mkdir()
    assert getattr(load_settings(inputs=tmp_path), name) == str(tmp_path / name)
    flags = {"prompt": "One", "model": "tiny"}
    assert getattr(load_settings(inputs=tmp_path, flags=flags), name) in ("", "tiny")
