"""`python -m job generate`: settings and prompts in, a folder of texts out."""

import hashlib
import json
import os
import platform
import signal
import time
import warnings
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict, replace
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any

import click

from job.errors import InputError, PromptError, SettingsError, TextgenError, UnsupportedError
from job.generate.engines.choose import open_engine
from job.generate.engines.decoding import decode_new_tokens
from job.generate.engines.engine import Engine, Generate, Row
from job.generate.outputs import TEXTS, Outputs, open_outputs, read_record
from job.generate.progress import format_speed, report_progress
from job.generate.prompts import Prompt, read_prompts
from job.generate.settings import TABLE, Settings, load_settings
from job.text import counted

# Recorded as what they lead to: the prompts' texts, the model's revision, the engine, what it computes in.
_RESOLVED = ("prompt", "prompts", "model", "revision", "engine", "device", "dtype", "batch_size")


def run(settings: Settings, folder: Path, overwrite: bool = False) -> None:
    """Generate all texts of a run into `folder`, or continue where an earlier process stopped.

    Raises InputError before the model's weights are loaded, TextgenError if the disk or the device fails.
    """
    prompts = read_prompts(settings.prompt, settings.prompts)
    earlier = {} if overwrite else _read_identity(folder)
    engine = open_engine(settings, earlier.get("engine"))
    try:
        _run(engine, prompts, settings, folder, overwrite)
    except UnsupportedError as error:  # the weights may hold what the configuration does not say
        if settings.engine != "auto":
            raise
        _log(f"{error}; transformers runs it")
        engine = open_engine(replace(settings, engine="transformers"))
        _run(engine, prompts, settings, folder, overwrite)


def _run(
    engine: Engine, prompts: Sequence[Prompt], settings: Settings, folder: Path, overwrite: bool
) -> None:
    total = len(prompts) * settings.num_return_sequences
    _log(
        f"model {engine.files.name}, revision {engine.files.revision}, engine {engine.name}, "
        f"device {engine.device}, dtype {engine.dtype}"
    )
    identity = _build_identity(settings, prompts, engine)
    with open_outputs(folder, overwrite) as outputs:
        _check_identity(outputs, _read_identity(folder), identity)
        record = read_record(folder)
        if outputs.in_order < total or record.get("state") != "completed":
            record = {
                "state": "running",
                "run": identity,
                "settings": asdict(settings),
                "prompts": len(prompts),
                "python": platform.python_version(),
                "threads": len(os.sched_getaffinity(0)),
                "started": _now(),
                "resumed_at": outputs.done,
            }
            _generate_missing(outputs, engine, prompts, settings, record)
    _log(f"{counted(total, 'text')} in {folder / TEXTS}")


def _build_rows(engine: Engine, prompts: Sequence[Prompt], settings: Settings, first: int) -> Iterator[Row]:
    """The texts to generate from number `first` on, in the order of the prompts.

    Raises PromptError or SettingsError for a prompt that the model can't take.
    """
    sequences = settings.num_return_sequences
    for place in range(first // sequences, len(prompts)):
        prompt = prompts[place]
        token_ids = engine.tokenizer.encode(prompt.text)
        max_new_tokens = settings.max_new_tokens or settings.max_length - len(token_ids)
        _check_prompt(engine, prompt, token_ids, max_new_tokens, settings)
        for sequence in range(1, sequences + 1):
            if (number := place * sequences + sequence - 1) >= first:
                yield Row(prompt, token_ids, sequence, max_new_tokens, number)


def _check_prompt(
    engine: Engine, prompt: Prompt, token_ids: Sequence[int], max_new_tokens: int, settings: Settings
) -> None:
    name, size = engine.files.name, engine.vocabulary_size
    if not token_ids:
        raise PromptError(f"prompt {prompt.id}: the model's tokenizer gives no tokens for it")
    if size and (token := max(token_ids)) >= size:
        raise PromptError(
            f"prompt {prompt.id}: {name} has no token {token} ({engine.tokenizer.token(token)!r}): "
            f"it has {size}, its tokenizer {engine.tokenizer.size}; leave it out of the prompt"
        )
    if max_new_tokens < 1:
        raise SettingsError(
            f"max_length ({settings.max_length}) must be above the {len(token_ids)} tokens of the prompt "
            f"{prompt.id!r}; raise it, or give max_new_tokens instead"
        )
    length = len(token_ids) + max_new_tokens
    if engine.context_length and length > engine.context_length:
        raise SettingsError(
            f"{length} tokens for the prompt {prompt.id!r} are more than the context of {name} "
            f"({engine.context_length} tokens); lower max_length or max_new_tokens"
        )


def _build_identity(settings: Settings, prompts: Sequence[Prompt], engine: Engine) -> dict[str, Any]:
    """Everything that the texts depend on: two runs of one identity may share a folder."""
    prompts_json = json.dumps([asdict(prompt) for prompt in prompts])
    identity = {
        **{name: value for name, value in asdict(settings).items() if name not in _RESOLVED},
        "model": engine.files.name,
        "revision": engine.files.revision,
        "prompts": hashlib.sha256(prompts_json.encode()).hexdigest(),
        **engine.identity(),
    }
    identity["versions"] = {"textgen": version("argo-textgen"), **identity["versions"]}
    return identity


def _read_identity(folder: Path) -> dict[str, Any]:
    """The identity of the run in the folder; empty if there is none."""
    identity = read_record(folder).get("run")
    # Before there were engines, all texts were made by transformers.
    return {"engine": "transformers", **identity} if isinstance(identity, dict) else {}


def _check_identity(outputs: Outputs, earlier: Mapping[str, Any], identity: Mapping[str, Any]) -> None:
    """Raise InputError if the folder holds the texts of another run."""
    done = outputs.done
    if not done:
        return
    different = [name for name in {**identity, **earlier} if earlier.get(name) != identity.get(name)]
    if different:
        raise InputError(
            f"{outputs.folder}: holds the texts of another run "
            f"({_describe_difference(different, earlier, identity)}); use --overwrite or another --output"
        )
    _log(f"{counted(done, 'text')} {'is' if done == 1 else 'are'} done already")


def _describe_difference(names: Sequence[str], earlier: Mapping[str, Any], now: Mapping[str, Any]) -> str:
    if not earlier:
        return "without a run.json"
    long = [name for name in names if name in ("prompts", "versions")]
    values = [f"{name} {earlier.get(name)}, not {now.get(name)}" for name in names if name not in long]
    return "; ".join(values + [f"other {name}" for name in long])


def _generate_missing(
    outputs: Outputs,
    engine: Engine,
    prompts: Sequence[Prompt],
    settings: Settings,
    record: Mapping[str, Any],
) -> None:
    """Generate the rows that are missing; then run.json says so."""
    total = len(prompts) * settings.num_return_sequences
    first = engine.first_row(outputs.in_order)
    # All rows are looked at before the weights are loaded: a bad one ends the run here.
    rows = _build_rows(engine, prompts, settings, first)
    longest = max((len(row.token_ids) + row.max_new_tokens for row in rows), default=0)
    outputs.write_record(record)
    new_tokens, seconds = 0, 0.0
    try:
        if outputs.in_order < total:
            generate = engine.load(longest)
            rows = _build_rows(engine, prompts, settings, first)
            new_tokens, seconds = _generate_rows(outputs, engine, generate, rows, total)
        outputs.write_texts(settings.num_return_sequences)
    except BaseException as error:
        with suppress(TextgenError):  # on a full disk the first error is the one to show
            outputs.write_record({**record, "state": "stopped", "rows": outputs.done})
        if isinstance(error, KeyboardInterrupt | SystemExit):
            _log(f"stopped at {outputs.done} of {total} texts; the same command goes on")
        raise
    tokens_per_second = new_tokens / seconds if seconds else 0.0
    outputs.write_record(
        {
            **record,
            "state": "completed",
            "rows": outputs.done,
            "finished": _now(),
            "new_tokens": new_tokens,
            "seconds": round(seconds, 3),
            "tokens_per_second": round(tokens_per_second, 1),
        }
    )
    if new_tokens:
        speed = format_speed(new_tokens, seconds)
        _log(f"{counted(new_tokens, 'new token')} in {seconds:.1f} s, {speed}")


def _generate_rows(
    outputs: Outputs, engine: Engine, generate: Generate, rows: Iterable[Row], total: int
) -> tuple[int, float]:
    """Generate the rows that are not done; the number of new tokens, and the seconds."""
    new_tokens, started, in_order = 0, time.monotonic(), outputs.in_order
    # Those before `in_order` are given again because the engine asks for them.
    missing = (row for row in rows if row.number < in_order or not outputs.has(row.number))
    with report_progress(total, outputs.done) as advance:
        for row, completion in generate(missing):
            count = len(completion.token_ids)
            new_tokens += count
            if row.number < in_order:
                continue
            # The prompt's own characters, which decoding its tokens would not always give back.
            text = row.prompt.text + decode_new_tokens(engine.tokenizer, row.token_ids, completion.token_ids)
            outputs.add(
                row.number,
                {
                    "id": row.prompt.id,
                    "prompt": row.prompt.text,
                    "sequence": row.sequence,
                    "text": text,
                    "prompt_tokens": len(row.token_ids),
                    "new_tokens": count,
                    "finish_reason": completion.finish_reason,
                },
            )
            advance(1, count)
    return new_tokens, time.monotonic() - started


def _log(line: str) -> None:
    click.echo(line, err=True)


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")


def _settings_options(function: Callable[..., None]) -> Callable[..., None]:
    """Add an option for each setting of the table."""
    for name, setting in reversed(list(TABLE.items())):
        flag, text = f"--{name.replace('_', '-')}", setting.metadata["help"]
        if isinstance(setting.default, bool):
            option = click.option(f"{flag}/--no-{name}", name, default=None, help=text)
        else:
            metavar = type(setting.default).__name__.upper().replace("STR", "TEXT")
            option = click.option(flag, name, metavar=metavar, help=text)
        function = option(function)
    return function


def _exit_on_sigterm(*_: object) -> None:
    raise SystemExit(143)


@click.command(context_settings={"help_option_names": ["-h", "--help"]})
@click.option(
    "--settings",
    "file",
    type=click.Path(path_type=Path),
    help="Settings file, in place of job/settings.toml.",
)
@click.option("--inputs", type=click.Path(path_type=Path), help="Folder with one file for each setting.")
@click.option(
    "--output",
    "folder",
    type=click.Path(path_type=Path),
    default=Path("outputs"),
    show_default=True,
    help="Folder for the texts; a run that was stopped in it continues.",
)
@click.option("--overwrite", is_flag=True, help="Delete the texts of another run in that folder.")
@_settings_options
def command(file: Path | None, inputs: Path | None, folder: Path, overwrite: bool, **flags: object) -> None:
    """Generate text from prompts."""
    given_flags = {name: value for name, value in flags.items() if value is not None}
    settings = load_settings(file, inputs, os.environ, given_flags)
    signal.signal(signal.SIGTERM, _exit_on_sigterm)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        run(settings, folder, overwrite)
