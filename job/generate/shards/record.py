"""The run.json of a version whose texts were made in shards: what those of the shards add up to."""

from collections import Counter
from collections.abc import Mapping
from datetime import datetime
from typing import Any, BinaryIO

from job.errors import CommitError
from job.generate.shards.files import FILES
from job.text import counted, listed, one_line
from job.untrusted_files import UntrustedPath
from job.untrusted_json import parse_record

LARGEST_RECORD = 1 << 20  # bytes

_MOST_SECONDS = 1e15
_COUNTS = ("texts", "errors", "prompt_tokens", "new_tokens")


def open_shard_file(file: UntrustedPath) -> BinaryIO:
    """A file that a shard has left. Raises CommitError if there is none."""
    try:
        return file.open()
    except FileNotFoundError:
        raise _missing(file) from None


def read_shard_record(file: UntrustedPath) -> dict[str, Any]:
    """What run.json of a shard says. Raises CommitError unless it is that of a shard that is done."""
    try:
        record = parse_record(file.read(LARGEST_RECORD))
    except FileNotFoundError:
        raise _missing(file) from None
    except ValueError as problem:
        raise CommitError(f"{file.name}: {problem}") from None
    if not _is_done(record):
        raise CommitError(f"{file.name}: not that of a shard that is done")
    return dict(record)


def _missing(file: UntrustedPath) -> CommitError:
    return CommitError(f"{file.name}: no such file; was the shard stopped?")


def _is_done(record: Any) -> bool:
    """Whether it is the record of a shard that is done. Any program may have written it."""
    try:
        counts, settings = record["counts"], record["settings"]
        numbers = [*(counts[key] for key in _COUNTS), *counts["finish_reasons"].values()]
        numbers += [record["rows"], record["new_tokens"], record["left_out"], settings["max_errors"]]
        times = [datetime.fromisoformat(record[key]) for key in ("started", "finished")]
        return (
            record["state"] == "completed"
            and all(type(number) is int and number >= 0 for number in numbers)
            and type(record["seconds"]) in {int, float}
            and 0 <= record["seconds"] < _MOST_SECONDS
            and all(time.tzinfo for time in times)
            and settings["format"] in FILES
            and (not record["rows"] or isinstance(record["run"], dict))
        )
    except (AttributeError, KeyError, TypeError, ValueError):
        return False


class ShardsRecord:
    """Adds up the records of shards, in their order."""

    def __init__(self) -> None:
        self._first = 0  # the first shard with rows
        self._record: dict[str, Any] = {}

    def add(self, index: int, texts: int, record: Mapping[str, Any]) -> None:
        """Add a shard of which so many texts were planned.

        Raises CommitError if it has not all of them, or is of another run than the others.
        """
        rows: int = record["rows"]
        # a row with an error leaves out texts that were planned of it, also in the shards after its own
        if rows + record["left_out"] != texts:
            planned = f"{counted(texts, 'text')} {'was' if texts == 1 else 'were'} planned"
            raise CommitError(f"shard {index} has {counted(rows, 'row')}, and {planned}")
        if not rows:
            return
        if self._record:
            self._check_run(index, record["run"])
            self._add_figures(record)
        else:
            self._first, self._record = index, dict(record)

    def build(self, prompts: int, shards: int) -> dict[str, Any]:
        """The one run.json. prompts: how many rows all shards have.

        Raises CommitError if no shard has a row, or if too many rows of all have an error.
        """
        record = self._record
        if not record:
            raise CommitError("no shard has a row")
        errors, most = record["counts"]["errors"], record["settings"]["max_errors"]
        if errors > most > 0:
            raise CommitError(f"{counted(errors, 'row')} of all shards are wrong, and max_errors is {most}")
        new_tokens, seconds = record["new_tokens"], round(record["seconds"], 3)
        return {
            **{name: value for name, value in record.items() if name not in ("resumed_at", "left_out")},
            "prompts": prompts,
            "shards": shards,
            "seconds": seconds,
            "tokens_per_second": round(new_tokens / seconds if seconds else 0.0, 1),
        }

    def _check_run(self, index: int, run: Mapping[str, Any]) -> None:
        first: Mapping[str, Any] = self._record["run"]
        names = [name for name in {**first, **run} if first.get(name) != run.get(name)]
        if names:
            values = (f"{name} {first.get(name)} and {run.get(name)}" for name in names)
            shards = f"shards {self._first} and {index}"
            raise CommitError(f"{shards} differ ({one_line(listed(values))}); start the run again")

    def _add_figures(self, record: Mapping[str, Any]) -> None:
        total, counts, more = self._record, self._record["counts"], record["counts"]
        reasons = Counter(counts["finish_reasons"]) + Counter(more["finish_reasons"])
        total["counts"] = {
            **counts,
            **{name: counts[name] + more[name] for name in _COUNTS},
            "finish_reasons": dict(sorted(reasons.items())),
        }
        for name in ("rows", "new_tokens", "seconds"):
            total[name] += record[name]
        total["started"] = min(total["started"], record["started"], key=datetime.fromisoformat)
        total["finished"] = max(total["finished"], record["finished"], key=datetime.fromisoformat)
