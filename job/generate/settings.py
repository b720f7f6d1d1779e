"""The settings of a generation run: one table, and the five sources of a value.

A later source wins: the defaults below < `job/settings.toml` (or `--settings FILE`) <
`--inputs DIR` (one file for each setting, as a workflow's string inputs arrive) < the environment
(`TEXTGEN_SEED`, ...) < flags (`--seed`, ...).
"""

import json
import math
import re
import tomllib
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import Field, dataclass, field, fields
from operator import ge, gt, le
from pathlib import Path
from typing import Any, get_type_hints

from job.errors import SettingsError
from job.generate.structure import check_structure, read_json_schema
from job.text import did_you_mean, nearest, quoted

DEFAULT_FILE = Path(__file__).parents[1] / "settings.toml"
ENVIRONMENT_PREFIX = "TEXTGEN_"

_BOOLEANS = {"true": True, "yes": True, "1": True, "false": False, "no": False, "0": False}
_BOUNDS: tuple[tuple[str, str, Callable[[Any, float], bool]], ...] = (
    ("above", "above", gt),
    ("minimum", "at least", ge),
    ("maximum", "at most", le),
)
_TYPE_NAMES: Mapping[Any, str] = {
    int: "an integer",
    float: "a number",
    bool: "true or false",
    str: "a string",
    tuple[str, ...]: "a list of strings that are not empty",
}
_FOLDERS = ("prompts", "model")  # settings that may be a folder
_ALTERNATIVES = (("prompt", "prompts"), ("json_schema", "regex", "choices"))
# What scores are divided by: beyond these, float32 has no number for the result.
_SMALLEST, _LARGEST = 1e-9, 1e9


def _setting(
    default: Any,
    text: str,
    *,
    minimum: float | None = None,
    above: float | None = None,
    maximum: float | None = None,
    pattern: str | None = None,
    allowed: str = "",
    separator: str = "",
    hint: str = "",
) -> Any:
    """A row of the table: its default, its text in --help, and which values it takes.

    allowed: what the pattern matches, if it is not just words. separator: what stands between the strings of
    a list that is written as one. hint: what to do instead of a value beyond the limits.
    """
    limits = {"minimum": minimum, "above": above, "maximum": maximum, "pattern": pattern}
    words = allowed or " or ".join((pattern or "").replace("|", ", ").rsplit(", ", 1))
    texts = {"help": text, "allowed": words, "separator": separator, "hint": hint}
    return field(default=default, metadata={**texts, **limits})


@dataclass(frozen=True, slots=True)
class Settings:
    """Everything that decides the texts, and where they are computed. 0 and "" mean "not set"."""

    seed: int = _setting(42, "Random seed.", minimum=0, maximum=2**64 - 1)
    max_length: int = _setting(30, "Maximum length of a text in tokens, including the prompt.", minimum=1)
    num_return_sequences: int = _setting(5, "Number of texts for each prompt.", minimum=1)
    prompt: str = _setting("Hello, I'm a language model,", "Text to continue.")
    prompts: str = _setting(
        "",
        "Many prompts: a .txt, .jsonl or .parquet file, a folder or pattern of them, or - (standard input).",
    )
    prompt_field: str = _setting(
        "prompt", "Field of a row that holds its prompt.", pattern=r"(?s).+", allowed="the name of a field"
    )
    messages_field: str = _setting(
        "messages",
        "Field of a row that holds its chat messages.",
        pattern=r"(?s).+",
        allowed="the name of a field",
    )
    template: str = _setting("", "Prompt with a row's fields in it ('Summarise: {body}'), or @FILE.")
    system: str = _setting("", "System message to put before each row's messages.")
    prefix: str = _setting("", "Prefix for the names that are added to a row in outputs.jsonl.")
    format: str = _setting(
        "jsonl",
        "jsonl, parquet or openai (results of a batch): a file of the rows beside outputs.jsonl.",
        pattern="jsonl|parquet|openai",
    )
    on_error: str = _setting("fail", "fail or skip: what a bad row does.", pattern="fail|skip")
    max_errors: int = _setting(
        0, "Largest number of bad rows with which a run succeeds; 0 for no limit.", minimum=0
    )
    too_long: str = _setting(
        "fail", "fail, skip or truncate-left: what a too long prompt does.", pattern="fail|skip|truncate-left"
    )
    max_new_tokens: int = _setting(
        0, "Maximum number of new tokens, without the prompt; replaces max_length.", minimum=0
    )
    min_new_tokens: int = _setting(0, "Number of new tokens before which no text ends.", minimum=0)
    model: str = _setting(
        "gpt2",
        "smollm2-135m (embedded), a model on the hub, a folder or a GGUF file.",
        pattern=r"(?s).*\S.*",
        allowed="a name or a path",
    )
    revision: str = _setting(
        "",
        "Branch, tag or commit of a model on the hub.",
        pattern=r"[\w./-]*",
        allowed="a branch, tag or commit",
    )
    temperature: float = _setting(
        1.0,
        "Sampling temperature; lower is more deterministic.",
        above=0,
        minimum=_SMALLEST,
        maximum=_LARGEST,
        hint="; for 0, set greedy",
    )
    top_k: int = _setting(50, "Sample from the K most likely tokens; 0 for all.", minimum=0)
    top_p: float = _setting(
        1.0, "Sample from the most likely tokens whose probabilities add up to P.", above=0, maximum=1
    )
    repetition_penalty: float = _setting(
        1.0,
        "Penalty for tokens that were used before; 1.0 means no penalty.",
        above=0,
        minimum=_SMALLEST,
        maximum=_LARGEST,
    )
    frequency_penalty: float = _setting(
        0.0, "Penalty for a new token for each time that it came.", minimum=-2, maximum=2
    )
    presence_penalty: float = _setting(
        0.0, "Penalty for a new token that came already.", minimum=-2, maximum=2
    )
    min_p: float = _setting(
        0.0,
        "Leave out tokens less likely than P times the most likely one; 0 for none.",
        minimum=0,
        maximum=1,
    )
    stop: tuple[str, ...] = _setting((), "Texts that end a text where they appear, and are not part of it.")
    ignore_eos: bool = _setting(False, "Go on after the model's end of a text, up to the limit.")
    bad_words: tuple[str, ...] = _setting((), "Words that are not generated.")
    logprobs: int = _setting(
        -1,
        "Give the log probability of each new token, and of the N most likely ones; -1 for none.",
        minimum=-1,
        maximum=20,
    )
    json_schema: str = _setting("", "JSON schema that each text keeps to: a file, or the schema itself.")
    regex: str = _setting("", "Regular expression that matches each text as a whole.")
    choices: tuple[str, ...] = _setting((), "Texts of which each is one: a,b,c.", separator=",")
    greedy: bool = _setting(False, "Always take the most likely token, without sampling.")
    batch_size: int = _setting(
        0, "Number of texts computed at once; 0 for what the engine finds best.", minimum=0
    )
    engine: str = _setting(
        "auto",
        "auto, openvino (for CPUs), transformers, vllm or echo (repeats the prompt, without a model).",
        pattern="auto|openvino|transformers|vllm|echo",
    )
    device: str = _setting(
        "auto",
        "auto, cpu, mps, cuda (all GPUs) or cuda:N,M.",
        pattern=r"auto|cpu|mps|cuda(:\d{1,3}(,\d{1,3})*)?",
        allowed="auto, cpu, mps, cuda or cuda:N,M",
    )
    dtype: str = _setting(
        "auto",
        "auto, float32, bfloat16, float16 or int8 (openvino).",
        pattern="auto|float32|bfloat16|float16|int8",
    )
    deterministic: bool = _setting(
        False,
        "Compute each text to the bit as it is alone; with transformers one at a time.",
    )
    tensor_parallel_size: int = _setting(1, "Number of GPUs that share the model (vllm).", minimum=1)
    quantization: str = _setting(
        "",
        "How the weights are quantized: fp8, awq, ... (vllm).",
        pattern=r"[a-z0-9_-]*",
        allowed="a name such as fp8 or awq",
    )


TABLE: Mapping[str, Field[Any]] = {setting.name: setting for setting in fields(Settings)}
_TYPES: Mapping[str, type] = get_type_hints(Settings)


def takes_list(name: str) -> bool:
    """Whether the setting is a list of strings."""
    return _TYPES[name] == tuple[str, ...]


def describe_type(name: str) -> str:
    """The type of the setting, with its article."""
    return _TYPE_NAMES[_TYPES[name]]


# A value with the location that an error names: FILE:LINE, a file, a variable or a flag.
_Value = tuple[str, str, object]  # location, name, value


def load_settings(
    file: Path | None = None,
    inputs: Path | None = None,
    environ: Mapping[str, str] | None = None,
    flags: Mapping[str, object] | None = None,
) -> Settings:
    """The settings from all sources; `file` replaces `job/settings.toml`.

    Raises SettingsError with the location and the name: unknown (with the nearest name), of the wrong
    type, out of range, or a file that can't be read.
    """
    values: dict[str, Any] = {}
    for source in (
        _read_toml(file or DEFAULT_FILE),
        _read_folder(inputs) if inputs else iter(()),
        _read_environment(environ or {}),
        ((f"--{name.replace('_', '-')}", name, value) for name, value in (flags or {}).items()),
    ):
        new, locations = {}, {}
        for location, name, value in source:
            new[name], locations[name] = parse_value(name, value, location), location
            if name == "json_schema" and new[name]:
                new[name] = read_json_schema(new[name], location)
        for group in _ALTERNATIVES:
            named = [name for name in group if name in new]
            if len(named) > 1:
                raise SettingsError(f"{locations[named[1]]}: give {named[0]} or {named[1]}, not both")
            if named:  # the later one replaces the others
                values = {name: value for name, value in values.items() if name not in group}
        values |= new
    settings = Settings(**values)
    check_structure(settings)
    return settings


def parse_value(name: str, value: Any, location: str) -> Any:
    """The value of the setting `name`, from a string or from TOML; `location` goes into the error.

    Raises SettingsError.
    """
    if name not in TABLE:
        raise SettingsError(f"{location}: unknown setting {name!r}; {did_you_mean(name, TABLE)}")
    expected, metadata = _TYPES[name], TABLE[name].metadata
    typed = _convert(expected, value, metadata["separator"]) if isinstance(value, str) else value
    if expected is float and type(typed) is int:
        typed = float(typed)
    if expected == tuple[str, ...]:
        if not isinstance(typed, list | tuple) or not all(isinstance(each, str) and each for each in typed):
            shown = list(value) if isinstance(value, tuple) else value
            raise SettingsError(f"{location}: {name} must be {_TYPE_NAMES[expected]}, not {shown!r}")
        _check_utf_8(name, typed, location)
        return tuple(typed)
    if type(typed) is not expected:
        raise SettingsError(f"{location}: {name} must be {_TYPE_NAMES[expected]}, not {value!r}")
    if isinstance(typed, str):
        _check_utf_8(name, [typed], location)
        if metadata["pattern"] and not re.fullmatch(metadata["pattern"], typed):
            raise SettingsError(f"{location}: {name} must be {metadata['allowed']}, not {quoted(typed)}")
        return typed
    for bound, words, holds in _BOUNDS:
        if (limit := metadata[bound]) is not None and not holds(typed, limit):
            raise SettingsError(f"{location}: {name} must be {words} {limit}, not {value}{metadata['hint']}")
    if isinstance(typed, float) and not math.isfinite(typed):
        raise SettingsError(f"{location}: {name} must be finite, not {value}")
    return typed


def _check_utf_8(name: str, texts: Iterable[str], location: str) -> None:
    """Raise SettingsError for bytes of the command line or the environment that are no text."""
    for text in texts:
        try:
            text.encode()
        except UnicodeEncodeError:
            raise SettingsError(f"{location}: {name} must be UTF-8, not {quoted(text)}") from None


def _convert(expected: type, text: str, separator: str) -> Any:
    """`text` as the type; unchanged if it can't be one."""
    try:
        if expected is bool:
            return _BOOLEANS[text.strip().lower()]
        if expected == tuple[str, ...]:
            if text.lstrip().startswith("["):
                return json.loads(text)
            return text.split(separator) if separator else [text]
        return expected(text)
    except (KeyError, ValueError, RecursionError):
        return text


def _read_toml(path: Path) -> Iterator[_Value]:
    text = _read_text(path)
    try:
        values = tomllib.loads(text)
    except (ValueError, RecursionError) as error:  # also of a number with thousands of digits
        raise SettingsError(f"{path}: not TOML: {error}") from None
    for name, value in values.items():
        # tomllib keeps no positions: the first line that assigns the key is shown.
        assignment = re.compile(rf"\s*\[*\s*[\"']?{re.escape(name)}[\"']?\s*[=\].]")
        numbers = (number for number, line in enumerate(text.splitlines(), 1) if assignment.match(line))
        number = next(numbers, None)
        location = f"{path}:{number}" if number else str(path)
        # A string in TOML has to be one in the table too: seed = "42" is a slip.
        if isinstance(value, str) and _TYPES.get(name, str) is not str:
            raise SettingsError(f"{location}: {name} must be {_TYPE_NAMES[_TYPES[name]]}, not {value!r}")
        yield location, name, value


def _read_folder(folder: Path) -> Iterator[_Value]:
    """One file for each setting; an empty file is not set. Folders are a job's other inputs.

    One of them may be the prompts or the model.
    """
    try:
        paths = sorted(folder.iterdir())
    except OSError as error:
        raise SettingsError(f"{folder}: can't be read: {error.strerror}") from None
    for path in paths:
        # The newline with which `echo 7 > seed` ends is not part of the value.
        if path.is_dir() and path.name in _FOLDERS:
            yield str(path), path.name, str(path)
        elif path.is_file() and (text := _read_text(path).removesuffix("\n")):
            yield str(path), path.name, text


def _read_environment(environ: Mapping[str, str]) -> Iterator[_Value]:
    for variable in sorted(environ):
        name = variable.removeprefix(ENVIRONMENT_PREFIX).lower()
        if not variable.startswith(ENVIRONMENT_PREFIX) or not environ[variable]:
            continue
        # Other variables of this program have that prefix too: only a name that is nearly right is a slip.
        if name in TABLE or nearest(name, TABLE, cutoff=0.7):
            yield variable, name, environ[variable]


def _read_text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8-sig")
    except OSError as error:
        raise SettingsError(f"{path}: can't be read: {error.strerror}") from None
    except UnicodeDecodeError as error:
        raise SettingsError(f"{path}: not UTF-8 at byte {error.start}") from None
