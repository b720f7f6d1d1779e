"""The settings of a generation run: one table, and the five places a value may come from.

A later place wins: the defaults below < `job/settings.toml` (or `--settings FILE`) <
`--inputs DIR` (one file a setting, as a workflow's string inputs arrive) < the environment
(`TEXTGEN_SEED`, ...) < flags (`--seed`, ...).
"""

import difflib
import math
import re
import tomllib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import Field, dataclass, field, fields
from operator import ge, gt, le
from pathlib import Path
from typing import Any, get_type_hints

from job.errors import SettingsError

DEFAULT_FILE = Path(__file__).parents[1] / "settings.toml"
ENVIRONMENT_PREFIX = "TEXTGEN_"

_WORDS = {"true": True, "yes": True, "1": True, "false": False, "no": False, "0": False}
_BOUNDS: tuple[tuple[str, str, Callable[[Any, float], bool]], ...] = (
    ("at least", "least", ge),
    ("above", "above", gt),
    ("at most", "most", le),
)
_KINDS = {int: "a whole number", float: "a number", bool: "true or false", str: "a text"}


def _setting(
    default: Any,
    about: str,
    *,
    least: float | None = None,
    above: float | None = None,
    most: float | None = None,
    form: str | None = None,
) -> Any:
    """A row of the table: its default, its line in --help, and the values it takes."""
    limits = {"about": about, "least": least, "above": above, "most": most, "form": form}
    return field(default=default, metadata=limits)


@dataclass(frozen=True, slots=True)
class Settings:
    """Everything that decides the texts, and where they are computed. 0 and "" mean "not set"."""

    seed: int = _setting(42, "Random seed.", least=0, most=2**64 - 1)
    max_length: int = _setting(30, "Longest text in tokens, the prompt's included.", least=1)
    num_return_sequences: int = _setting(5, "Texts for each prompt.", least=1)
    prompt: str = _setting("Hello, I'm a language model,", "The sentence to continue.")
    prompts: str = _setting("", "Many prompts: a .txt or .jsonl file, or a folder of them.")
    max_new_tokens: int = _setting(0, "Tokens added to the prompt; given, it replaces max_length.", least=0)
    model: str = _setting(
        "gpt2", "smollm2-135m (embedded), a model on the hub, a folder or a GGUF file.", form=r"(?s).*\S.*"
    )
    revision: str = _setting("", "Branch, tag or commit of a model on the hub.", form=r"[\w./-]*")
    temperature: float = _setting(1.0, "Below 1 plays safe, above 1 dares more.", above=0)
    top_k: int = _setting(50, "Draw from the K likeliest tokens; 0 for all.", least=0)
    top_p: float = _setting(1.0, "Draw from the likeliest tokens that sum to P.", above=0, most=1)
    repetition_penalty: float = _setting(1.0, "Above 1 makes used tokens less likely.", above=0)
    greedy: bool = _setting(False, "Always take the likeliest token: no sampling.")
    batch_size: int = _setting(16, "Texts computed at once.", least=1)
    device: str = _setting("auto", "auto, cpu, mps, cuda or cuda:N.", form=r"auto|cpu|mps|cuda(:\d{1,3})?")
    dtype: str = _setting("auto", "auto, float32, bfloat16 or float16.", form="auto|float32|bfloat16|float16")


TABLE: Mapping[str, Field[Any]] = {row.name: row for row in fields(Settings)}
_TYPES: Mapping[str, type] = get_type_hints(Settings)

# Of these two the one from the later place holds; in one place only one of them may stand.
_RIVALS = {"prompt": "prompts", "prompts": "prompt"}


def load(
    file: Path | None = None,
    inputs: Path | None = None,
    environ: Mapping[str, str] | None = None,
    flags: Mapping[str, object] | None = None,
) -> Settings:
    """Put the settings together from all places; `file` replaces `job/settings.toml`.

    Raises SettingsError naming the place and the setting: unknown (with the nearest name), of
    the wrong type, out of range, or a file that can't be read.
    """
    values: dict[str, Any] = {}
    for place in (
        _from_toml(file or DEFAULT_FILE),
        _from_folder(inputs) if inputs else iter(()),
        _from_environment(environ or {}),
        ((f"--{name.replace('_', '-')}", name, value) for name, value in (flags or {}).items()),
    ):
        here = {name: (where, read(name, value, where)) for where, name, value in place}
        for name, rival in _RIVALS.items():
            if name in here and rival in here and name < rival:
                raise SettingsError(f"{here[rival][0]}: give {name} or {rival}, not both")
            if name in here:
                values.pop(rival, None)
        values |= {name: value for name, (_, value) in here.items()}
    return Settings(**values)


def read(name: str, value: Any, where: str) -> Any:
    """The value of the setting `name`, from a text or from TOML; `where` goes into the error.

    Raises SettingsError.
    """
    if name not in TABLE:
        raise SettingsError(f"{where}: unknown setting {name!r}{_nearest(name)}")
    kind, limits = _TYPES[name], TABLE[name].metadata
    typed = _from_text(kind, value) if isinstance(value, str) else value
    if kind is float and type(typed) is int:
        typed = float(typed)
    if type(typed) is not kind:
        raise SettingsError(f"{where}: {name} must be {_KINDS[kind]}, not {value!r}")
    if isinstance(typed, str):
        if limits["form"] and not re.fullmatch(limits["form"], typed):
            raise SettingsError(f"{where}: {name} can't be {typed!r}; {limits['about']}")
        return typed
    for word, bound, holds in _BOUNDS:
        if (limit := limits[bound]) is not None and not holds(typed, limit):
            raise SettingsError(f"{where}: {name} must be {word} {limit}, not {value}")
    if isinstance(typed, float) and not math.isfinite(typed):
        raise SettingsError(f"{where}: {name} must be finite, not {value}")
    return typed


def _from_text(kind: type, text: str) -> Any:
    """`text` as `kind`; the text itself where it is none."""
    try:
        return _WORDS[text.strip().lower()] if kind is bool else kind(text)
    except (KeyError, ValueError):
        return text


def _from_toml(path: Path) -> Iterator[tuple[str, str, object]]:
    text = _text(path)
    try:
        values = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise SettingsError(f"{path}: not TOML: {error}") from None
    for name, value in values.items():
        # tomllib keeps no positions: the first line that assigns the key is the one to look at.
        lines = enumerate(text.splitlines(), 1)
        found = re.compile(rf"\s*\[*\s*[\"']?{re.escape(name)}[\"']?\s*[=\].]")
        line = next((f":{number}" for number, row in lines if found.match(row)), "")
        # A text in TOML has to be one in the table too: seed = "42" is a slip.
        if isinstance(value, str) and _TYPES.get(name, str) is not str:
            raise SettingsError(f"{path}{line}: {name} must be {_KINDS[_TYPES[name]]}, not {value!r}")
        yield f"{path}{line}", name, value


def _from_folder(folder: Path) -> Iterator[tuple[str, str, object]]:
    """One file a setting; an empty file is not given, and folders are a job's other inputs."""
    try:
        paths = sorted(folder.iterdir())
    except OSError as error:
        raise SettingsError(f"{folder}: can't be read: {error.strerror}") from None
    for path in paths:
        # `echo 7 > seed` ends in a newline that is not meant.
        if path.is_file() and (text := _text(path).removesuffix("\n")):
            yield str(path), path.name, text


def _from_environment(environ: Mapping[str, str]) -> Iterator[tuple[str, str, object]]:
    for variable in sorted(environ):
        name = variable.removeprefix(ENVIRONMENT_PREFIX).lower()
        given = variable.startswith(ENVIRONMENT_PREFIX) and environ[variable]
        # Other variables of this program have that prefix too: only a near miss is a slip.
        if given and (name in TABLE or _nearest(name)):
            yield variable, name, environ[variable]


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except OSError as error:
        raise SettingsError(f"{path}: can't be read: {error.strerror}") from None
    except UnicodeDecodeError as error:
        raise SettingsError(f"{path}: not UTF-8 at byte {error.start}") from None


def _nearest(name: str) -> str:
    near = difflib.get_close_matches(name, TABLE, n=1, cutoff=0.7)
    return f"; did you mean {near[0]}?" if near else ""
