"""Processes for tests that train in some: forked from a server that has imported everything, so that each starts fast."""

from __future__ import annotations

import multiprocessing
import os
import socket
import traceback
from collections.abc import Callable
from multiprocessing.context import ForkServerProcess
from typing import Any

CONTEXT = multiprocessing.get_context("forkserver")
CONTEXT.set_forkserver_preload(["mesmer.training.run", "mesmer.cli.main", "model_batches"])


def start(work: Callable[..., Any], *arguments: Any) -> ForkServerProcess:
    """Start ``work(*arguments)`` in a process of its own."""
    process = CONTEXT.Process(target=work, args=arguments)
    process.start()
    return process


def together(size: int, work: Callable[..., Any], *arguments: Any) -> list[Any]:
    """Return what ``work(*arguments)`` returns in each of ``size`` processes that find each other as under torchrun."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    pipes = [CONTEXT.Pipe(duplex=False) for _ in range(size)]
    processes = [start(_one, rank, size, port, pipes[rank][1], work, arguments) for rank in range(size)]
    try:
        told = []
        for receiver, sender in pipes:
            sender.close()
            told.append(receiver.recv())
    finally:
        for process in processes:
            process.join(5)
            process.kill()
    for good, answer in told:
        assert good, answer
    return [answer for _, answer in told]


def _one(rank: int, size: int, port: int, sender: Any, work: Callable[..., Any], arguments: tuple[Any, ...]) -> None:
    names = {"RANK": rank, "LOCAL_RANK": rank, "WORLD_SIZE": size, "LOCAL_WORLD_SIZE": size, "MASTER_PORT": port}
    os.environ.update({name: str(value) for name, value in names.items()} | {"MASTER_ADDR": "127.0.0.1"})
    from mesmer.training.team import disband

    try:
        sender.send((True, work(*arguments)))
        disband()
    except BaseException:
        sender.send((False, traceback.format_exc()))
        raise
