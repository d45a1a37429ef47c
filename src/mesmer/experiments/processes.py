"""Processes of this machine that train, and leave when the one that started them does."""

from __future__ import annotations

import multiprocessing
import os
import signal
import threading
import time
from concurrent.futures import ProcessPoolExecutor

import torch

from mesmer.errors import MesmerError


def process_pool(workers: int) -> ProcessPoolExecutor:
    """Return so many fresh processes, which share the machine's processors and end when this one does, however it does."""
    threads = max(1, (os.cpu_count() or 1) // workers)
    context = multiprocessing.get_context("spawn")
    return ProcessPoolExecutor(workers, context, initializer=_begin, initargs=(os.getpid(), threads))


def died() -> MesmerError:
    """Return the error of a process that is gone without a word."""
    return MesmerError(
        "a process that trained died", remedy="give the same command again, with fewer processes if memory is short"
    )


def _begin(parent: int, threads: int) -> None:
    signal.signal(signal.SIGINT, signal.SIG_DFL)  # ends at Ctrl-C without a word
    torch.set_num_threads(threads)
    threading.Thread(target=_leave_with, args=(parent,), daemon=True).start()


def _leave_with(parent: int) -> None:
    while os.getppid() == parent:
        time.sleep(1)
    os._exit(1)
