"""Compiles the kernels once per machine and keeps the library in the user's cache folder.

The kernels speak plain C, so neither torch's headers nor ninja are needed and a build takes a few seconds. The cache key
holds all that the machine code depends on: the sources, the flags, the compiler, the processor, and the OpenMP library.
"""

from __future__ import annotations

import hashlib
import os
import platform
import shutil
import stat
import subprocess
import tempfile
from pathlib import Path

import torch

SOURCES = ("submanifold.cpp", "attention.cpp", "stem.cpp")
HEADERS = ("vectors.inc.cpp",)
FLAGS = ("-O3", "-march=native", "-std=c++17", "-fopenmp", "-fPIC", "-fno-math-errno", "-ffp-contract=fast")
BUILD_TIMEOUT_S = 180


class BuildError(Exception):
    """The kernels cannot be built or loaded here; the message says why."""


def cache_folder() -> Path:
    """Return the folder compiled kernels are kept in: ``$XDG_CACHE_HOME/mesmer/native`` or ``~/.cache/mesmer/native``."""
    base = os.environ.get("XDG_CACHE_HOME", "")
    return (Path(base) if base else Path.home() / ".cache") / "mesmer" / "native"


def build_library(folder: Path | None = None) -> Path:
    """Return the compiled library, from the cache or built now.

    Raises:
        BuildError: the processor has neither AVX2 nor AVX-512, there is no compiler, it fails, or the cache folder cannot
            be written or belongs to somebody else.
    """
    flags = processor_flags()
    if not {"avx2", "fma"} <= flags:
        raise BuildError("the processor has no AVX2")
    compiler = shutil.which(os.environ.get("CXX") or "c++") or shutil.which("g++") or shutil.which("clang++")
    if compiler is None:
        raise BuildError("no C++ compiler was found")
    sources = Path(__file__).parent
    command = [compiler, *FLAGS, "-shared", *(str(sources / name) for name in SOURCES), *_openmp_library()]
    target = (folder or cache_folder()) / f"kernels-{_key(command, flags)}.so"
    try:
        _own_folder(target.parent)
        if not target.is_file():
            _compile(command, target)
        _refuse_foreign(target)
    except OSError as error:
        raise BuildError(f"the cache folder cannot be used ({error})") from error
    return target


def processor_flags() -> frozenset[str]:
    """Return the instruction sets of an x86-64 processor under Linux, in the kernel's words; empty elsewhere."""
    if platform.machine() not in ("x86_64", "AMD64"):
        return frozenset()
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return frozenset()
    return frozenset(next((line.split(":", 1)[1] for line in lines if line.startswith("flags")), "").split())


def _openmp_library() -> list[str]:
    """Return torch's own OpenMP library where it brings one: two thread pools would fight for the same cores."""
    found = sorted((Path(torch.__file__).parent / "lib").glob("libgomp*.so*"))
    return [str(path) for path in found[:1]]


def _key(command: list[str], flags: frozenset[str]) -> str:
    digest = hashlib.sha256()
    for name in (*SOURCES, *HEADERS):
        digest.update((Path(__file__).parent / name).read_bytes())
    compiler = subprocess.run([command[0], "--version"], capture_output=True, timeout=20, check=False).stdout
    for part in (*command, *sorted(flags), platform.machine()):
        digest.update(part.encode() + b"\0")
    digest.update(compiler)
    return digest.hexdigest()[:24]


def _compile(command: list[str], target: Path) -> None:
    """Compile beside the target and rename, so that nobody ever loads half a library."""
    handle, name = tempfile.mkstemp(dir=target.parent, prefix=".building-", suffix=".so")
    os.close(handle)
    try:
        try:
            result = subprocess.run([*command, "-o", name], capture_output=True, timeout=BUILD_TIMEOUT_S, check=False)
        except subprocess.TimeoutExpired:
            raise BuildError(f"the compiler took longer than {BUILD_TIMEOUT_S} s") from None
        if result.returncode:
            lines = result.stderr.decode(errors="replace").strip().splitlines()
            raise BuildError(
                "the compiler failed: " + next((line for line in lines if "error" in line), "no message")[:300]
            )
        os.chmod(name, stat.S_IRUSR | stat.S_IWUSR | stat.S_IXUSR)
        os.replace(name, target)
    finally:
        Path(name).unlink(missing_ok=True)


def _own_folder(folder: Path) -> None:
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    _refuse_foreign(folder)


def _refuse_foreign(path: Path) -> None:
    """A library is code: load none that another user could have put there."""
    info = path.stat()
    if info.st_uid != os.getuid() or info.st_mode & (stat.S_IWGRP | stat.S_IWOTH):
        raise BuildError(f"{path} belongs to another user or can be written by others")
