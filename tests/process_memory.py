"""Memory of a process and of all that it started, for the laws of bounded memory."""

from __future__ import annotations

from pathlib import Path


def family(pid: int) -> list[int]:
    """A process and all that it started."""
    found = [pid]
    for task in Path(f"/proc/{pid}/task").iterdir():
        for child in (task / "children").read_text().split():
            found += family(int(child))
    return found


def resident_mib(pid: int) -> float:
    """Memory of a process, what it shares counted in part."""
    text = Path(f"/proc/{pid}/smaps_rollup").read_text()
    return int(text.partition("Pss:")[2].split()[0]) / 1024
