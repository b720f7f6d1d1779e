"""Cron schedules as Argo takes them: five fields, or a word such as @daily."""

import re

from job.errors import InputError
from job.text import counted, quoted

# A name, the lowest and the highest number, as github.com/robfig/cron has them, which Argo uses.
_FIELDS = (
    ("minute", 0, 59),
    ("hour", 0, 23),
    ("day of month", 1, 31),
    ("month", 1, 12),
    ("day of week", 0, 6),
)
_NAMES = {
    "month": ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"),
    "day of week": ("sun", "mon", "tue", "wed", "thu", "fri", "sat"),
}
_WORDS = ("@yearly", "@annually", "@monthly", "@weekly", "@daily", "@midnight", "@hourly")
_TIME_ZONE = re.compile(r"^(CRON_)?TZ=[\w/+-]+ ")
_INTERVAL = re.compile(r"@every (\d+(\.\d+)?(h|m|s|ms))+")


def check_schedule(schedule: str) -> None:
    """Raise InputError, naming the field, if Argo does not take the schedule."""
    if schedule in _WORDS or _INTERVAL.fullmatch(schedule):
        return
    fields = _TIME_ZONE.sub("", schedule).split()
    if len(fields) != len(_FIELDS):
        names = ", ".join(name for name, _, _ in _FIELDS)
        raise InputError(
            f"--schedule {quoted(schedule)}: has {counted(len(fields), 'field')}; write five: {names}"
        )
    for text, (name, lowest, highest) in zip(fields, _FIELDS, strict=True):
        if not all(_is_range(part, name, lowest, highest) for part in text.split(",")):
            raise InputError(
                f"--schedule {quoted(schedule)}: the {name} {quoted(text)} is not valid; "
                f"write * or {lowest} to {highest}, with ',', '-' or '/'"
            )


def _is_range(text: str, name: str, lowest: int, highest: int) -> bool:
    """Whether `text` is `*`, a number or a range, and maybe a step."""
    numbers, slash, step = text.partition("/")
    if slash and not (step.isdecimal() and int(step) > 0):
        return False
    if numbers in {"*", "?"}:
        return True
    first, dash, last = numbers.partition("-")
    start, end = _number(first, name), _number(last if dash else first, name)
    return start is not None and end is not None and lowest <= start <= end <= highest


def _number(text: str, name: str) -> int | None:
    names = _NAMES.get(name, ())
    if text.lower() in names:
        return names.index(text.lower()) + (name == "month")
    return int(text) if text.isascii() and text.isdecimal() else None
