"""How much a media file may ask for. A file from a stranger cannot take more than this, whatever it claims."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field, fields
from typing import Any

from mesmer.errors import ConfigError

_MIB = 1 << 20
_GIB = 1 << 30


def _bound(default: float, meaning: str) -> Any:
    return field(default=default, metadata={"meaning": meaning})


@dataclass(frozen=True, kw_only=True)
class Limits:
    """Bounds on one media file and on the process that decodes it; every one of them is a positive number.

    The field metadata carry the meaning of each bound; :func:`limits_table` prints them.
    """

    memory_bytes: int = _bound(1536 * _MIB, "memory the decoder process may take beyond what it needs to start")
    timeout_s: float = _bound(20.0, "wall-clock time until the decoder process gives its next sign of life")
    clip_timeout_s: float = _bound(7200.0, "wall-clock time spent waiting for the decoder process, for one reading")
    cpu_s: int = _bound(3600, "processor time of the decoder process, for one reading")
    file_bytes: int = _bound(64 * _GIB, "size of the file")
    streams: int = _bound(64, "streams in the file")
    pixels: int = _bound(8192 * 4320, "width times height of the picture")
    sample_rate_hz: int = _bound(768_000, "sampling rate of the sound")
    channels: int = _bound(64, "channels of the sound")
    duration_s: float = _bound(6 * 3600.0, "length of the stretch that is read")
    frame_side_px: int = _bound(8192, "longer side of a frame that is handed out")
    clip_bytes: int = _bound(2 * _GIB, "frames and sound held in memory at once by `read` (`stream` holds one frame)")

    def __post_init__(self) -> None:
        for name, value in asdict(self).items():
            if not value > 0:
                raise ConfigError(f"{name} is {value}", field=name, remedy="use a number above 0")


def limits_table(limits: Limits | None = None) -> str:
    """Return the bounds as a Markdown table: name, value in readable units, meaning."""
    limits = limits or Limits()
    rows = ["| limit | default | bounds |", "| --- | --- | --- |"]
    for entry in fields(limits):
        value = _readable(entry.name, getattr(limits, entry.name))
        rows.append(f"| `{entry.name}` | {value} | {entry.metadata['meaning']} |")
    return "\n".join(rows)


def _readable(name: str, value: float) -> str:
    if name.endswith("_bytes"):
        return f"{value / _GIB:g} GiB" if value % _GIB == 0 else f"{value / _MIB:g} MiB"
    if name.endswith("_s"):
        return f"{value / 3600:g} h" if value % 3600 == 0 else f"{value:g} s"
    unit = {"sample_rate_hz": " Hz", "frame_side_px": " px", "pixels": " px"}.get(name, "")
    return f"{value:,}{unit}"
