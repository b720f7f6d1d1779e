"""The texts that are missing in an output folder, generated into it."""

import platform
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, closing, suppress
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from job.command import print_notice
from job.errors import TextgenError, UnsupportedError
from job.generate.build_rows import BadRow, RowBuilder
from job.generate.engines.choose import open_engine
from job.generate.engines.engine import Completion, Engine, Row
from job.generate.formats import write_format
from job.generate.identity import build_identity, check_identity, read_identity, select_present
from job.generate.output_rows import build_error, build_output, count_outputs
from job.generate.outputs import ROWS, TEXTS, Outputs, open_outputs, read_record
from job.generate.processors import count_processors
from job.generate.progress import Advance, ProgressFiles, format_speed, report_progress
from job.generate.prompts.source import RowSource
from job.generate.row_errors import RowErrors
from job.text import counted


def generate_texts(source: RowSource, prompts: int, folder: Path, *, overwrite: bool = False) -> None:
    """Generate all texts of the rows into `folder`, or those that are missing in it.

    prompts: how many rows there are. Raises as `run` does.
    """
    earlier = {} if overwrite else read_identity(folder)
    engine = open_engine(source.settings, earlier.get("engine"))
    try:
        _run(engine, source, prompts, folder, overwrite)
    except UnsupportedError as error:  # the weights may hold what the configuration does not say
        if source.settings.engine != "auto":
            raise
        print_notice(f"{error}; transformers runs it")
        engine = open_engine(replace(source.settings, engine="transformers"))
        _run(engine, source, prompts, folder, overwrite)


def _run(engine: Engine, source: RowSource, prompts: int, folder: Path, overwrite: bool) -> None:
    settings = source.settings
    revision = f"revision {engine.files.revision}, " if engine.files.revision else ""
    print_notice(
        f"model {engine.files.name}, {revision}engine {engine.name}, device {engine.device}, "
        f"dtype {engine.dtype}"
    )
    with open_outputs(folder, overwrite) as outputs:
        earlier = read_identity(folder)
        present = source.present or select_present(earlier)
        identity = build_identity(settings, source.digest(), engine, present)
        if done := outputs.done:
            hint = "start the run anew" if source.is_shard else "use --overwrite or another --output"
            check_identity(folder, earlier, identity, hint)
            print_notice(f"{counted(done, 'text')} {'is' if done == 1 else 'are'} done already")
        record = read_record(folder)
        if record.get("state") == "completed" and record.get("rows") == outputs.in_order:
            ProgressFiles(folder, done, done, source.is_shard).write()
        else:
            record = {
                "state": "running",
                "run": identity,
                "settings": asdict(settings),
                "prompts": prompts,
                "python": platform.python_version(),
                "threads": count_processors(),
                "started": format_now(),
                "resumed_at": outputs.done,
            }
            with closing(RowBuilder(engine, settings, present)) as builder:
                record = _Generation(source, builder, engine, outputs).finish(record)
        if outputs.in_order:  # a shard may have no rows
            write_format(folder, outputs.read_rows, settings, engine.files.name)
    errors = record["counts"]["errors"]
    print_notice(
        f"{counted(record['rows'] - errors, 'text')} in {folder / (ROWS if source.is_shard else TEXTS)}"
        + (f", and {counted(errors, 'row')} with an error in {folder / ROWS}" if errors else "")
    )


@dataclass(frozen=True, slots=True)
class _Plan:
    """`total` counts the rows of outputs.jsonl; `done` those of the engine before the first gap."""

    total: int
    done: int
    longest: int  # tokens
    errors: RowErrors


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
        if self.source.planned is not None:
            record = {**record, "left_out": self.source.planned - plan.total}
        outputs.write_record(record)
        progress = ProgressFiles(outputs.folder, plan.total, outputs.done, self.source.is_shard)
        progress.write()
        try:
            if outputs.in_order < plan.total:
                self._generate(plan, progress)
            if not self.source.is_shard:
                outputs.write_texts(self.source.settings.prefix)
        except BaseException as error:
            with suppress(TextgenError):  # on a full disk the first error is the one to show
                outputs.write_record({**record, "state": "stopped", "rows": outputs.done})
            if isinstance(error, KeyboardInterrupt | SystemExit):
                print_notice(f"stopped at {outputs.done} of {plan.total} texts; the same command goes on")
            raise
        counts = count_outputs(outputs.read_rows(), self.source.settings)
        new_tokens, seconds = progress.new_tokens, progress.seconds
        record = complete(record, outputs.done, counts, new_tokens, seconds)
        outputs.write_record(record)
        if new_tokens:
            speed = format_speed(new_tokens, seconds)
            print_notice(f"{counted(new_tokens, 'new token')} in {seconds:.1f} s, {speed}")
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
        return _Plan(total, done, longest, errors)

    def _generate(self, plan: _Plan, progress: ProgressFiles) -> None:
        """Generate the rows that are not done."""
        generate = self.engine.load(plan.longest)
        in_order = self.outputs.in_order
        with progress, report_progress(plan.total, self.outputs.done) as show, ExitStack() as stack:

            def advance(texts: int, new_tokens: int) -> None:
                progress.advance(texts, new_tokens)
                show(texts, new_tokens)

            completions = generate(self._missing_rows(plan.done, in_order, advance))
            for row, completion in stack.enter_context(closing(completions)):
                count = len(completion.token_ids)
                if row.number < in_order:
                    advance(0, count)
                    continue
                self.outputs.add(row.number, self._build_output(row, completion, plan))
                advance(1, count)

    def _build_output(self, row: Row, completion: Completion, plan: _Plan) -> dict[str, Any]:
        """The row's output. Raises TextgenError for an error that must not be, or too many of them."""
        settings = self.source.settings
        if not completion.error:
            return build_output(row, completion, self.engine.tokenizer, settings)
        if settings.on_error == "fail":
            raise TextgenError(f"{row.prompt.location}: {completion.error}")
        prompt = replace(row.prompt, error=completion.error)
        plan.errors.add(prompt)
        plan.errors.check(plan.total)
        return build_error(prompt, settings, row.sequence)

    def _missing_rows(self, done: int, in_order: int, advance: Advance) -> Iterator[Row]:
        """The rows for the engine: those that are not done, and before them what it asks for again.

        Bad ones are written meanwhile. `done`: how many rows of the engine come before `in_order`.
        """
        first, position = self.engine.first_row(done), 0
        for row in self.builder.build(self.source.read()):
            if isinstance(row, BadRow):
                if not self.outputs.has(row.number):
                    self.outputs.add(row.number, build_error(row.prompt, self.source.settings))
                    advance(1, 0)
                continue
            position += 1
            if position > first and (row.number < in_order or not self.outputs.has(row.number)):
                yield row


def complete(
    record: Mapping[str, Any], rows: int, counts: Mapping[str, Any], new_tokens: int, seconds: float
) -> dict[str, Any]:
    """run.json of a run that is over; new_tokens and seconds are of this process."""
    return {
        **record,
        "state": "completed",
        "rows": rows,
        "counts": counts,
        "finished": format_now(),
        "new_tokens": new_tokens,
        "seconds": round(seconds, 3),
        "tokens_per_second": round(new_tokens / seconds if seconds else 0.0, 1),
    }


def format_now() -> str:
    """The time in UTC, in seconds."""
    return datetime.now(UTC).isoformat(timespec="seconds")
