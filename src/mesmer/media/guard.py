"""What the decoder process gives up before it looks at a file: memory, time, disk, the file system, its parent's death.

Every step is one the operating system enforces on the process from then on. Limits of memory, time and disk exist on all
POSIX systems; the rest is Linux and is left out elsewhere.
"""

from __future__ import annotations

import ctypes
import math
import os
import resource
import signal
import sys
from typing import Any

_PR_SET_PDEATHSIG = 1
_PR_SET_NO_NEW_PRIVS = 38
_LANDLOCK_CREATE_RULESET = 444
_LANDLOCK_RESTRICT_SELF = 446
_LANDLOCK_VERSION_FLAG = 1

_OPEN_FILES_MAX = 32


def give_up_privileges(*, memory_bytes: int, parent: int | None) -> None:
    """Bound this process for good. Call it after everything is imported: no file can be opened by name afterwards.

    Args:
        memory_bytes: address space this process may add to what it has now.
        parent: process that this one shall not outlive; None where only the end of the channel shall tell.
    """
    if parent is not None:
        die_with(parent)
    _lower(resource.RLIMIT_CORE, 0)
    _lower(resource.RLIMIT_FSIZE, 0)
    _lower(resource.RLIMIT_NOFILE, _OPEN_FILES_MAX)
    _lower(resource.RLIMIT_AS, _address_space_bytes() + memory_bytes)
    _leave_file_system()


def renew_processor_time(cpu_s: int) -> None:
    """Allow this process ``cpu_s`` more seconds of processor time, counted from now."""
    usage = resource.getrusage(resource.RUSAGE_SELF)
    _, hard = resource.getrlimit(resource.RLIMIT_CPU)
    soft = math.ceil(usage.ru_utime + usage.ru_stime) + cpu_s
    resource.setrlimit(resource.RLIMIT_CPU, (soft if hard == resource.RLIM_INFINITY else min(soft, hard), hard))


def _lower(kind: int, value: int) -> None:
    _, hard = resource.getrlimit(kind)
    value = value if hard == resource.RLIM_INFINITY else min(value, hard)
    try:
        resource.setrlimit(kind, (value, value))
    except (OSError, ValueError):
        # macOS knows RLIMIT_AS and refuses to set it; the other bounds stand.
        if sys.platform == "linux":
            raise


def _address_space_bytes() -> int:
    """Address space this process takes now; an estimate where the system does not tell."""
    try:
        with open("/proc/self/statm", encoding="ascii") as file:
            return int(file.read().split()[0]) * resource.getpagesize()
    except OSError:
        return 4 << 30


def die_with(parent: int) -> None:
    """Let this process be killed when its parent, of that number, ends. Linux only."""
    if sys.platform != "linux":
        return  # there the end of the channel is how we notice
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
    if os.getppid() != parent:
        os._exit(1)  # it died before we asked to be told


def _leave_file_system() -> None:
    """Forbid opening, making or deleting any file by name, TCP, and signals to others (Landlock, Linux 5.13 and newer)."""
    if sys.platform != "linux":
        return
    libc = ctypes.CDLL(None, use_errno=True)
    version = libc.syscall(_LANDLOCK_CREATE_RULESET, None, ctypes.c_size_t(0), _LANDLOCK_VERSION_FLAG)
    if version < 1:
        return
    # One bit per right; each version of the interface knows more of them. Rights handled and not granted are forbidden.
    file_rights = (1 << {1: 13, 2: 14, 3: 15, 4: 15}.get(version, 16)) - 1
    words: list[Any] = [file_rights]
    if version >= 4:
        words.append(0b11)  # binding and connecting TCP
    if version >= 6:
        words.append(0b11)  # abstract sockets and signals to processes outside
    ruleset = (ctypes.c_uint64 * len(words))(*words)
    handle = libc.syscall(_LANDLOCK_CREATE_RULESET, ruleset, ctypes.c_size_t(ctypes.sizeof(ruleset)), 0)
    if handle < 0:
        return
    if libc.prctl(_PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0:
        libc.syscall(_LANDLOCK_RESTRICT_SELF, handle, 0)
    os.close(handle)
