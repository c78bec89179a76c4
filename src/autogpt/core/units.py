"""Quantities as people write them: ``10m``, ``2GiB``, ``1.5M``; parsing and showing them."""

from __future__ import annotations

import re

from autogpt.core.errors import UsageError

__all__ = ["format_bytes", "format_count", "format_duration", "parse_bytes", "parse_duration"]

_SECONDS = {"ms": 1e-3, "s": 1.0, "m": 60.0, "min": 60.0, "h": 3600.0, "d": 86400.0}
_BYTES = {
    "b": 1, "kb": 10**3, "mb": 10**6, "gb": 10**9, "tb": 10**12,
    "kib": 2**10, "mib": 2**20, "gib": 2**30, "tib": 2**40,
}  # fmt: skip
_PART = re.compile(r"\s*(\d+(?:\.\d+)?)\s*([a-z]+)", re.IGNORECASE)


def parse_duration(text: str) -> float:
    """Return seconds for ``90s``, ``10m``, ``3h``, ``1h30m``; a bare number is seconds.

    Raises:
        UsageError: If ``text`` is not a positive duration.
    """
    seconds = _parse_sum(text, _SECONDS)
    if seconds is None or seconds <= 0:
        raise UsageError(
            f"{text!r} is not a duration.", hint="Write it like 90s, 10m, 3h or 1h30m."
        )
    return seconds


def parse_bytes(text: str) -> int:
    """Return bytes for ``500MB``, ``2GiB`` (powers of two); a bare number is bytes.

    Raises:
        UsageError: If ``text`` is not a positive size.
    """
    size = _parse_sum(text, {name: float(factor) for name, factor in _BYTES.items()})
    if size is None or size <= 0:
        raise UsageError(f"{text!r} is not a size.", hint="Write it like 500MB or 2GiB.")
    return round(size)


def _parse_sum(text: str, factors: dict[str, float]) -> float | None:
    stripped = text.strip()
    try:
        return float(stripped)
    except ValueError:
        pass
    total, position = 0.0, 0
    for match in _PART.finditer(stripped):
        factor = factors.get(match[2].lower())
        if match.start() != position or factor is None:
            return None
        total += float(match[1]) * factor
        position = match.end()
    return total if position == len(stripped) and position > 0 else None


def format_duration(seconds: float) -> str:
    """Return ``0.8s``, ``12s``, ``3m 05s`` or ``2h 04m``."""
    if seconds < 10:
        return f"{seconds:.1f}s"
    if seconds < 60:
        return f"{seconds:.0f}s"
    minutes, rest = divmod(round(seconds), 60)
    if minutes < 60:
        return f"{minutes}m {rest:02d}s"
    return f"{minutes // 60}h {minutes % 60:02d}m"


def format_bytes(size_bytes: float) -> str:
    """Return ``312 B``, ``4.2 MB``, ``1.1 GB`` (powers of ten)."""
    size = float(size_bytes)
    for unit in ("B", "kB", "MB", "GB"):
        if abs(size) < 1000:
            return f"{size:.0f} {unit}" if unit == "B" else f"{size:.1f} {unit}"
        size /= 1000
    return f"{size:.1f} TB"


def format_count(count: float) -> str:
    """Return ``950``, ``12.3K``, ``10.2M``, ``1.5B``."""
    value = float(count)
    for unit in ("", "K", "M"):
        if abs(value) < 1000:
            return f"{value:.0f}" if unit == "" else f"{value:.1f}{unit}"
        value /= 1000
    return f"{value:.1f}B"
