"""`python -m job generate`: settings and prompts in, a folder of texts out."""

import os
import platform
import signal
import time
import warnings
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing, suppress
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import click

from job.errors import PromptError, TextgenError, UnsupportedError
from job.generate.build_rows import BadRow, RowBuilder
from job.generate.engines.choose import open_engine
from job.generate.engines.decoding import decode_new_tokens
from job.generate.engines.engine import Engine, Row
from job.generate.formats import check_format, write_format
from job.generate.identity import build_identity, check_identity, read_identity, select_present
from job.generate.output_rows import build_error, build_output, check_names, count_outputs
from job.generate.outputs import ROWS, TEXTS, Outputs, open_outputs, read_record
from job.generate.processors import count_processors
from job.generate.progress import Advance, format_speed, report_progress
from job.generate.prompts.source import RowSource, open_rows
from job.generate.row_errors import RowErrors
from job.generate.settings import TABLE, Settings, load_settings
from job.text import counted


def run(settings: Settings, folder: Path, overwrite: bool = False) -> None:
    """Generate all texts of a run into `folder`, or continue where an earlier process stopped.

    Raises InputError before the model's weights are loaded, TextgenError if the disk or the device fails,
    or if more rows are bad than there may be.
    """
    check_format(settings)
    with open_rows(settings, folder) as source:
        prompts = _check_prompts(source)
        earlier = {} if overwrite else read_identity(folder)
        engine = open_engine(settings, earlier.get("engine"))
        try:
            _run(engine, source, prompts, folder, overwrite)
        except UnsupportedError as error:  # the weights may hold what the configuration does not say
            if settings.engine != "auto":
                raise
            _log(f"{error}; transformers runs it")
            engine = open_engine(replace(settings, engine="transformers"))
            _run(engine, source, prompts, folder, overwrite)


def _run(engine: Engine, source: RowSource, prompts: int, folder: Path, overwrite: bool) -> None:
    settings = source.settings
    _log(
        f"model {engine.files.name}, revision {engine.files.revision}, engine {engine.name}, "
        f"device {engine.device}, dtype {engine.dtype}"
    )
    with open_outputs(folder, overwrite) as outputs:
        earlier = read_identity(folder)
        present = select_present(earlier)
        identity = build_identity(settings, source.digest(), engine, present)
        if done := outputs.done:
            check_identity(folder, earlier, identity)
            _log(f"{counted(done, 'text')} {'is' if done == 1 else 'are'} done already")
        record = read_record(folder)
        if record.get("state") != "completed" or record.get("rows") != outputs.in_order:
            record = {
                "state": "running",
                "run": identity,
                "settings": asdict(settings),
                "prompts": prompts,
                "python": platform.python_version(),
                "threads": count_processors(),
                "started": _now(),
                "resumed_at": outputs.done,
            }
            with closing(RowBuilder(engine, settings, present)) as builder:
                record = _Generation(source, builder, engine, outputs).finish(record)
        write_format(folder, outputs.read_rows, settings, engine.files.name)
    errors = record["counts"]["errors"]
    _log(
        f"{counted(record['rows'] - errors, 'text')} in {folder / TEXTS}"
        + (f", and {counted(errors, 'row')} with an error in {folder / ROWS}" if errors else "")
    )


def _check_prompts(source: RowSource) -> int:
    """Read all rows, before the model is looked for; how many there are.

    Raises PromptError if there is none, or if one is bad that may not be.
    """
    errors, count = RowErrors(source.settings), 0
    for prompt in source.read():
        count += 1
        check_names(prompt, source.settings)
        if prompt.error:
            errors.add(prompt)
    if not count:
        raise PromptError(f"{source.settings.prompts}: no prompts in it")
    errors.check(count)
    return count


@dataclass(frozen=True, slots=True)
class _Plan:
    """`total` counts the rows of outputs.jsonl; `done` those of the engine before the first gap."""

    total: int
    done: int
    longest: int  # tokens


@dataclass(frozen=True, slots=True)
class _Generation:
    """The rows that are missing in the outputs."""

    source: RowSource
    builder: RowBuilder
    engine: Engine
    outputs: Outputs

    def finish(self, record: Mapping[str, Any]) -> dict[str, Any]:
        """Generate them; run.json as it is then. It is `record` until then."""
        outputs = self.outputs
        # All rows are looked at before the weights are loaded: a bad one ends the run here.
        plan = self._make_plan()
        self.source.keep()
        outputs.write_record(record)
        new_tokens, seconds = 0, 0.0
        try:
            if outputs.in_order < plan.total:
                new_tokens, seconds = self._generate(plan)
            outputs.write_texts(self.source.settings.prefix)
        except BaseException as error:
            with suppress(TextgenError):  # on a full disk the first error is the one to show
                outputs.write_record({**record, "state": "stopped", "rows": outputs.done})
            if isinstance(error, KeyboardInterrupt | SystemExit):
                _log(f"stopped at {outputs.done} of {plan.total} texts; the same command goes on")
            raise
        record = {
            **record,
            "state": "completed",
            "rows": outputs.done,
            "counts": count_outputs(outputs.read_rows(), self.source.settings),
            "finished": _now(),
            "new_tokens": new_tokens,
            "seconds": round(seconds, 3),
            "tokens_per_second": round(new_tokens / seconds if seconds else 0.0, 1),
        }
        outputs.write_record(record)
        if new_tokens:
            speed = format_speed(new_tokens, seconds)
            _log(f"{counted(new_tokens, 'new token')} in {seconds:.1f} s, {speed}")
        return record

    def _make_plan(self) -> _Plan:
        errors, total, done, longest = RowErrors(self.source.settings), 0, 0, 0
        for row in self.builder.build(self.source.read()):
            total += 1
            if isinstance(row, BadRow):
                errors.add(row.prompt)
                continue
            done += row.number < self.outputs.in_order
            longest = max(longest, len(row.token_ids) + row.max_new_tokens)
        errors.check(total)
        return _Plan(total, done, longest)

    def _generate(self, plan: _Plan) -> tuple[int, float]:
        """Generate the rows that are not done; the number of new tokens, and the seconds."""
        generate = self.engine.load(plan.longest)
        new_tokens, started, in_order = 0, time.monotonic(), self.outputs.in_order
        with report_progress(plan.total, self.outputs.done) as advance:
            for row, completion in generate(self._missing_rows(plan.done, in_order, advance)):
                count = len(completion.token_ids)
                new_tokens += count
                if row.number < in_order:
                    continue
                text = decode_new_tokens(self.engine.tokenizer, row.token_ids, completion.token_ids)
                self.outputs.add(row.number, build_output(row, text, completion, self.source.settings))
                advance(1, count)
        return new_tokens, time.monotonic() - started

    def _missing_rows(self, done: int, in_order: int, advance: Advance) -> Iterator[Row]:
        """The rows for the engine: those that are not done, and before them what it asks for again.

        Bad ones are written meanwhile. `done`: how many it gave before `in_order`.
        """
        first, given = self.engine.first_row(done), 0
        for row in self.builder.build(self.source.read()):
            if isinstance(row, BadRow):
                if not self.outputs.has(row.number):
                    self.outputs.add(row.number, build_error(row.prompt, self.source.settings))
                    advance(1, 0)
                continue
            given += 1
            if given > first and (row.number < in_order or not self.outputs.has(row.number)):
                yield row


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
        elif isinstance(setting.default, tuple):
            option = click.option(flag, name, metavar="TEXT", multiple=True, help=text)
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
    given_flags = {name: value for name, value in flags.items() if value not in (None, ())}
    settings = load_settings(file, inputs, os.environ, given_flags)
    signal.signal(signal.SIGTERM, _exit_on_sigterm)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        run(settings, folder, overwrite)
