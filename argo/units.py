"""Durations, ages and sizes as people read them."""

from datetime import UTC, datetime

from argo.runs import JobRecord, Progress, RunRecord, now


def format_duration(record: RunRecord | JobRecord) -> str:
    """How long it took, or has taken so far; empty for a job that has not started."""
    if not record.started:
        return ""
    return format_seconds(((record.finished or now()) - record.started).total_seconds())


def format_progress(progress: Progress | None) -> str:
    """20/64 texts, 3/16 shards, 41 tokens/s, 3m5s left; empty for a job that has none."""
    if not progress:
        return ""
    speed, left = progress.tokens_per_second, progress.seconds_left
    parts = (
        f"{progress.done}/{progress.texts} texts" if progress.texts else "",
        f"{progress.done_shards}/{progress.shards} shards",
        "" if speed is None else f"{speed:.0f} tokens/s" if speed >= 10 else f"{speed:.1f} tokens/s",
        "" if left is None else f"{format_seconds(left)} left",
    )
    return ", ".join(filter(None, parts))


def format_seconds(seconds: float) -> str:
    """0.4s, 12s, 3m5s, 2h10m."""
    if seconds < 10:
        return f"{seconds:.1f}s"
    whole = round(seconds)
    if whole < 60:
        return f"{whole}s"
    return f"{whole // 60}m{whole % 60}s" if whole < 3600 else f"{whole // 3600}h{whole % 3600 // 60}m"


def format_age(since: datetime, now: datetime | None = None) -> str:
    """How long ago, as kubectl writes it: 45s, 12m, 5h, 3d."""
    seconds = max(0, int(((now or datetime.now(UTC)) - since).total_seconds()))
    for unit, length, until in (("s", 1, 120), ("m", 60, 120), ("h", 3600, 48)):
        if seconds < length * until:
            return f"{seconds // length}{unit}"
    return f"{seconds // 86400}d"


def format_bytes(size: int) -> str:
    """Bytes for people: 312 B, 4.0 KiB, 1.2 GiB."""
    amount = float(size)
    for unit in ("B", "KiB", "MiB", "GiB"):
        if amount < 1024:
            return f"{amount:.0f} {unit}" if unit == "B" else f"{amount:.1f} {unit}"
        amount /= 1024
    return f"{amount:.1f} TiB"
