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
from job.generate.engines.rows import Row
from job.generate.models.find import find_model
from job.generate.models.load import load_model
from job.generate.outputs import TEXTS, Outputs, open_outputs
from job.generate.progress import format_speed, report_progress
from job.generate.prompts import Prompt, read_prompts
from job.generate.settings import TABLE, Settings, load_settings
from job.text import counted

if TYPE_CHECKING:
    from job.generate.models.load import Model

# Recorded as what they lead to: the prompts' texts, the model's revision, the device and dtype in use.
_RESOLVED = ("prompt", "prompts", "model", "revision", "device", "dtype")


def run(settings: Settings, folder: Path, overwrite: bool = False) -> None:
    """Generate all texts of a run into `folder`, or continue where an earlier process stopped.

    Raises InputError before anything is written, TextgenError if the disk or the device fails.
    """
    prompts = read_prompts(settings.prompt, settings.prompts)
    files = find_model(settings.model, settings.revision)
    model = load_model(files, settings.device, settings.dtype)
    _log(f"model {files.name}, revision {files.revision}, device {model.device}, dtype {model.dtype}")
    rows = _build_rows(model, prompts, settings)
    with open_outputs(folder, overwrite) as outputs:
        identity = _build_identity(settings, prompts, model)
        _check_identity(outputs, identity)
        record = _build_record(settings, prompts, identity, len(outputs.rows))
        outputs.write_record(record)
        try:
            new_tokens, seconds = _generate_missing(outputs, model, rows, settings)
        except BaseException as error:
            done = outputs.count_rows()
            with suppress(TextgenError):  # on a full disk the first error is the one to show
                outputs.write_record(record | {"state": "stopped", "rows": done})
            if isinstance(error, KeyboardInterrupt | SystemExit):
                _log(f"stopped at {done} of {len(rows)} texts; the same command goes on")
            raise
        outputs.write_texts(settings.num_return_sequences)
        tokens_per_second = new_tokens / seconds if seconds else 0.0
        outputs.write_record(
            record
            | {"state": "completed", "rows": len(outputs.rows), "finished": _now()}
            | {"new_tokens": new_tokens, "seconds": round(seconds, 3)}
            | {"tokens_per_second": round(tokens_per_second, 1)}
        )
    if new_tokens:
        speed = format_speed(new_tokens, seconds)
        _log(f"{counted(new_tokens, 'new token')} in {seconds:.1f} s, {speed}")
    _log(f"{counted(len(outputs.rows), 'text')} in {folder / TEXTS}")


def _build_rows(model: "Model", prompts: Sequence[Prompt], settings: Settings) -> list[Row]:
    """All texts to generate, in the order of the prompts. Raises PromptError, SettingsError."""
    rows = []
    for prompt in prompts:
        token_ids = model.tokenizer.encode(prompt.text)
        if not token_ids:
            raise PromptError(f"prompt {prompt.id}: the model's tokenizer gives no tokens for it")
        if model.vocabulary_size and (token := max(token_ids)) >= model.vocabulary_size:
            raise PromptError(
                f"prompt {prompt.id}: {model.files.name} has no token {token} "
                f"({model.tokenizer.token(token)!r}): it has {model.vocabulary_size}, "
                f"its tokenizer {model.tokenizer.size}; leave it out of the prompt"
            )
        max_new_tokens = settings.max_new_tokens or settings.max_length - len(token_ids)
        if max_new_tokens < 1:
            raise SettingsError(
                f"max_length ({settings.max_length}) must be above the {len(token_ids)} tokens of the prompt "
                f"{prompt.id!r}; raise it, or give max_new_tokens instead"
            )
        length = len(token_ids) + max_new_tokens
        if model.context_length and length > model.context_length:
            raise SettingsError(
                f"{length} tokens for the prompt {prompt.id!r} are more than the context of "
                f"{model.files.name} ({model.context_length} tokens); lower max_length or max_new_tokens"
            )
        rows += [
            Row(prompt, token_ids, sequence, max_new_tokens)
            for sequence in range(1, settings.num_return_sequences + 1)
        ]
    return rows


def _build_identity(settings: Settings, prompts: Sequence[Prompt], model: "Model") -> dict[str, Any]:
    """Everything that the texts depend on: two runs of one identity may share a folder."""
    libraries = ("torch", "transformers", "tokenizers", "numpy")
    prompts_json = json.dumps([asdict(prompt) for prompt in prompts])
    return {
        **{name: value for name, value in asdict(settings).items() if name not in _RESOLVED},
        "model": model.files.name,
        "revision": model.files.revision,
        "device": model.device.type,
        "dtype": model.dtype,
        "prompts": hashlib.sha256(prompts_json.encode()).hexdigest(),
        "versions": {"textgen": version("argo-textgen"), **{name: version(name) for name in libraries}},
    }


def _check_identity(outputs: Outputs, identity: Mapping[str, Any]) -> None:
    """Raise InputError if the folder holds the texts of another run."""
    record = outputs.read_record()
    if not (outputs.rows or record):
        return
    earlier = record.get("run", {})
    different = [name for name in identity if earlier.get(name) != identity[name]]
    if different:
        raise InputError(
            f"{outputs.folder}: holds the texts of another run "
            f"({_describe_difference(different, earlier, identity)}); use --overwrite or another --output"
        )
    done = len(outputs.rows)
    _log(f"{counted(done, 'text')} {'is' if done == 1 else 'are'} done already")


def _describe_difference(names: Sequence[str], earlier: Mapping[str, Any], now: Mapping[str, Any]) -> str:
    if not earlier:
        return "without a run.json"
    long = [name for name in names if name in ("prompts", "versions")]
    values = [f"{name} {earlier.get(name)}, not {now[name]}" for name in names if name not in long]
    return "; ".join(values + [f"other {name}" for name in long])


def _build_record(
    settings: Settings, prompts: Sequence[Prompt], identity: Mapping[str, Any], resumed_at: int
) -> dict[str, Any]:
    """The run.json of a run that starts."""
    import torch

    return {
        "state": "running",
        "run": identity,
        "settings": asdict(settings),
        "prompts": len(prompts),
        "python": platform.python_version(),
        "threads": torch.get_num_threads(),
        "started": _now(),
        "resumed_at": resumed_at,
    }


def _generate_missing(
    outputs: Outputs, model: "Model", rows: Sequence[Row], settings: Settings
) -> tuple[int, float]:
    """Generate the rows that are missing; the number of new tokens, and the seconds."""
    from job.generate.engines.transformers import generate

    new_tokens, started, done = 0, time.monotonic(), len(outputs.rows)
    with report_progress(len(rows), done) as advance:
        # A resumed run has its batches at the same places: a torn batch is computed again in its whole
        # shape, so that its missing rows come out the same to the byte.
        for start in range(0, len(rows), settings.batch_size):
            batch = rows[start : start + settings.batch_size]
            if start + len(batch) <= done:
                continue
            texts = generate(model, batch, settings)
            missing = [
                {
                    "id": row.prompt.id,
                    "prompt": row.prompt.text,
                    "sequence": row.sequence,
                    "text": text.text,
                    "prompt_tokens": len(row.token_ids),
                    "new_tokens": text.new_tokens,
                    "finish_reason": text.finish_reason,
                }
                for row, text in zip(batch, texts, strict=True)
            ][max(done - start, 0) :]
            outputs.append(missing)
            batch_tokens = sum(text.new_tokens for text in texts)
            new_tokens += batch_tokens
            advance(len(missing), batch_tokens)
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
