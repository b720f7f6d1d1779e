"""`python -m job generate`: settings and prompts in, a folder of texts out."""

import hashlib
import json
import os
import platform
import signal
import time
import warnings
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from job.errors import InputError, PromptError, SettingsError, TextgenError
from job.generate import outputs, prompts, settings
from job.generate.models import load
from job.generate.progress import progress, say
from job.generate.prompts import Prompt
from job.generate.settings import Settings

if TYPE_CHECKING:
    from job.generate.engines.transformers import Row
    from job.generate.models.load import Model

# These name things that the record and the rows hold in full: prompts, the model found, the device used.
_NAMES = ("prompt", "prompts", "model", "revision", "device", "dtype")


def run(chosen: Settings, folder: Path, overwrite: bool = False) -> None:
    """Generate all texts of a run into `folder`, or go on where an earlier process stopped.

    Raises InputError before anything is written, TextgenError where the disk or the device fails.
    """
    texts = prompts.read(chosen.prompt, chosen.prompts)
    source = load.find(chosen.model, chosen.revision)
    model = load.load(source, chosen.device, chosen.dtype)
    say(f"model {source.name}, revision {source.revision}, device {model.device}, dtype {model.dtype}")
    rows = _rows(model, texts, chosen)
    with outputs.opened(folder, overwrite) as out:
        record = _begin(out, chosen, texts, model)
        try:
            made, seconds = _generate(out, model, rows, chosen)
        except BaseException:
            with suppress(TextgenError):  # on a full disk the first error is the one to tell
                out.write_record(record | {"state": "stopped", "rows": len(out.rows)})
            raise
        out.write_texts(chosen.num_return_sequences)
        speed = made / seconds if seconds else 0.0
        out.write_record(
            record
            | {"state": "completed", "rows": len(out.rows), "finished": _now()}
            | {"new_tokens": made, "seconds": round(seconds, 3), "tokens_per_second": round(speed, 1)}
        )
    say(f"{made} new tokens in {seconds:.1f} s, {speed:.0f} tokens/s")
    say(f"{len(out.rows)} texts in {folder / outputs.TEXTS}")


def _rows(model: "Model", texts: Sequence[Prompt], chosen: Settings) -> "list[Row]":
    """The whole work list, in the order of the prompts. Raises PromptError, SettingsError."""
    from job.generate.engines.transformers import Row

    rows = []
    for prompt in texts:
        tokens = tuple(model.tokenizer(prompt.text).input_ids)
        if not tokens:
            raise PromptError(f"prompt {prompt.id}: the model's tokenizer makes nothing of it")
        limit = chosen.max_new_tokens or chosen.max_length - len(tokens)
        if limit < 1:
            raise SettingsError(
                f"max_length ({chosen.max_length}) must be above the {len(tokens)} tokens of the prompt "
                f"{prompt.id!r}; raise it, or give max_new_tokens instead"
            )
        if model.context_length and len(tokens) + limit > model.context_length:
            raise SettingsError(
                f"{len(tokens) + limit} tokens for the prompt {prompt.id!r} are more than the "
                f"{model.context_length} that {model.source.name} holds; lower max_length or max_new_tokens"
            )
        rows += [Row(prompt, tokens, number, limit) for number in range(1, chosen.num_return_sequences + 1)]
    return rows


def _begin(out: outputs.Outputs, chosen: Settings, texts: Sequence[Prompt], model: "Model") -> dict[str, Any]:
    """Write the record of a run that starts. Raises InputError where another run's rows lie."""
    names = ("torch", "transformers", "tokenizers", "numpy")
    told = json.dumps([asdict(prompt) for prompt in texts]).encode()
    decisive: dict[str, Any] = {
        **{name: value for name, value in asdict(chosen).items() if name not in _NAMES},
        "model": model.source.name,
        "revision": model.source.revision,
        "device": model.device.type,
        "dtype": model.dtype,
        "prompts": hashlib.sha256(told).hexdigest(),
        "versions": {"textgen": version("argo-textgen"), **{name: version(name) for name in names}},
    }
    there = out.record()
    if out.rows or there:
        before = there.get("run", {})
        differ = [name for name in decisive if before.get(name) != decisive[name]]
        if differ:
            raise InputError(
                f"{out.folder}: holds the texts of another run ({_difference(differ, before, decisive)}); "
                "use --overwrite or another --output"
            )
        say(f"{len(out.rows)} texts are there already")
    record = {
        "state": "running",
        "run": decisive,
        "settings": asdict(chosen),
        "prompts": len(texts),
        "python": platform.python_version(),
        "threads": _threads(),
        "started": _now(),
        "resumed_at": len(out.rows),
    }
    out.write_record(record)
    return record


def _difference(names: Sequence[str], before: Mapping[str, Any], now: Mapping[str, Any]) -> str:
    if not before:
        return "without a record"
    short = [name for name in names if name in ("prompts", "versions")]
    told = [f"{name} {before.get(name)} there, {now[name]} here" for name in names if name not in short]
    return "; ".join(told + [f"other {name}" for name in short])


def _generate(
    out: outputs.Outputs, model: "Model", rows: "Sequence[Row]", chosen: Settings
) -> tuple[int, float]:
    """Make the rows that are missing; return the new tokens and the seconds."""
    import torch

    from job.generate.engines.transformers import generate

    made, started, done = 0, time.monotonic(), len(out.rows)
    with progress(len(rows), done) as advance:
        # Batches lie at the same places in a resumed run, so that a torn one is computed again
        # in its very shape and its missing rows come out the same to the byte.
        for first in range(0, len(rows), chosen.batch_size):
            batch = rows[first : first + chosen.batch_size]
            if first + len(batch) <= done:
                continue
            try:
                texts = generate(model, batch, chosen)
            except torch.OutOfMemoryError:
                raise TextgenError(f"{model.device}: out of memory; lower batch_size") from None
            fresh = [
                {
                    "id": row.prompt.id,
                    "prompt": row.prompt.text,
                    "sequence": row.number,
                    "text": text.text,
                    "prompt_tokens": len(row.tokens),
                    "new_tokens": text.new_tokens,
                    "finish_reason": text.finish_reason,
                }
                for row, text in zip(batch, texts, strict=True)
            ][max(done - first, 0) :]
            out.append(fresh)
            tokens = sum(text.new_tokens for text in texts)
            made += tokens
            advance(len(fresh), tokens)
    return made, time.monotonic() - started


def _threads() -> int:
    import torch

    return torch.get_num_threads()


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")


def _flags(function: Callable[..., None]) -> Callable[..., None]:
    """An option for each row of the table of settings."""
    for name, row in reversed(list(settings.TABLE.items())):
        flag = f"--{name.replace('_', '-')}"
        if isinstance(row.default, bool):
            option = click.option(f"{flag}/--no-{name}", name, default=None, help=row.metadata["about"])
        else:
            kind = type(row.default).__name__.upper().replace("STR", "TEXT")
            option = click.option(flag, name, metavar=kind, help=row.metadata["about"])
        function = option(function)
    return function


def _stop(*_: object) -> None:
    raise SystemExit(143)


@click.command(context_settings={"help_option_names": ["-h", "--help"]})
@click.option("--settings", "file", type=click.Path(path_type=Path), help="Instead of job/settings.toml.")
@click.option("--inputs", type=click.Path(path_type=Path), help="A folder with one file for each setting.")
@click.option(
    "--output",
    "folder",
    type=click.Path(path_type=Path),
    default=Path("outputs"),
    show_default=True,
    help="The folder for the texts; a run that was stopped there goes on.",
)
@click.option("--overwrite", is_flag=True, help="Throw away the texts of another run in that folder.")
@_flags
def command(file: Path | None, inputs: Path | None, folder: Path, overwrite: bool, **flags: object) -> None:
    """Generate text from prompts."""
    given = {name: value for name, value in flags.items() if value is not None}
    chosen = settings.load(file, inputs, os.environ, given)
    signal.signal(signal.SIGTERM, _stop)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        run(chosen, folder, overwrite)
