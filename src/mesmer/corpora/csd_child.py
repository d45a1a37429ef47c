"""The process that opens a csd file: ``python -m mesmer.corpora.csd_child FILE`` prints its rows as one JSON object.

``{"videos": {video: [[start_s, end_s, sentiment, happy, sad, anger, surprise, disgust, fear], ...]}}``, or
``{"problem": ..., "field": ...}``. A broken or hostile file can at worst end this process.
"""

from __future__ import annotations

import contextlib
import json
import math
import sys
from pathlib import Path
from typing import Any, NoReturn

MAX_MEMORY_BYTES = 4 * 2**30
MAX_CPU_S = 240
MAX_VIDEOS = 50_000
MAX_ROWS = 2_000
MAX_CHUNK_BYTES = 2**24
MAX_SCORE = 3.0
MAX_TIME_S = 1e6
MAX_NAME_CHARS = 200

_FEATURES = 7


class _CsdError(Exception):
    def __init__(self, problem: str, field: str) -> None:
        super().__init__(problem)
        self.problem = problem
        self.field = field


def read_rows(path: Path) -> dict[str, list[list[float]]]:
    """Return video -> rows of start, end and the seven features.

    Raises:
        _CsdError: the file is not such a file, or a value is out of range.
    """
    import h5py

    try:
        with h5py.File(path, "r") as file:
            data = _data(file)
            names = list(data)
            if len(names) > MAX_VIDEOS:
                raise _CsdError(f"more than {MAX_VIDEOS} videos", "data")
            return {name: _video_rows(data, name) for name in names}
    except _CsdError:
        raise
    except Exception as error:  # h5py has no exception of its own: a damaged file raises nearly anything
        raise _CsdError(f"the HDF5 file cannot be read ({type(error).__name__}: {str(error)[:200]})", "HDF5") from None


def _fail(problem: str, field: str) -> NoReturn:
    raise _CsdError(problem, field)


def _member(group: Any, name: str, field: str) -> Any:
    """A member of a group that lies in this very file: links to other files would read them in its name."""
    import h5py

    link = group.get(name, getlink=True)
    if link is None:
        _fail(f"there is no '{name}'", field)
    if not isinstance(link, h5py.HardLink):
        _fail(f"'{name[:60]}' is a link to somewhere else", field)
    return group[name]


def _data(file: Any) -> Any:
    import h5py

    tops = list(file)
    name = "All Labels" if "All Labels" in tops else (tops[0] if len(tops) == 1 else "")
    if not name:
        _fail("there is no group 'All Labels'", "All Labels")
    top = _member(file, name, "All Labels")
    data = _member(top, "data", f"{name}/data") if isinstance(top, h5py.Group) else None
    if not isinstance(data, h5py.Group):
        _fail("there is no group 'data'", f"{name}/data")
    return data


def _video_rows(data: Any, video: str) -> list[list[float]]:
    import h5py

    if not video.isprintable() or len(video) > MAX_NAME_CHARS or "\\" in video or video in (".", ".."):
        _fail(f"{video[:60]!a} is not the name of a video", "data")
    group = _member(data, video, f"data/{video}")
    if not isinstance(group, h5py.Group):
        _fail("this is not a group", f"data/{video}")
    features = _numbers(group, "features", _FEATURES, f"data/{video}/features")
    intervals = _numbers(group, "intervals", 2, f"data/{video}/intervals")
    if len(features) != len(intervals):
        _fail(f"{len(features)} rows of features and {len(intervals)} intervals", f"data/{video}")
    for number, (times, scores) in enumerate(zip(intervals, features, strict=True)):
        if not all(math.isfinite(time) and 0 <= time <= MAX_TIME_S for time in times):
            _fail("a time is negative, too large or not a number", f"data/{video}/intervals row {number}")
        if not all(math.isfinite(s) and -0.01 <= s <= MAX_SCORE + 0.01 for s in scores[1:]) or not abs(scores[0]) <= 3.01:
            _fail(f"a score is outside 0 to {MAX_SCORE:g}", f"data/{video}/features row {number}")
    return [[*times, *scores] for times, scores in zip(intervals, features, strict=True)]


def _numbers(group: Any, name: str, columns: int, field: str) -> list[list[float]]:
    import h5py

    dataset = _member(group, name, field)
    if not isinstance(dataset, h5py.Dataset) or dataset.dtype.kind not in "fiu":
        _fail("these are not numbers", field)
    if len(dataset.shape) != 2 or dataset.shape[1] != columns or dataset.shape[0] > MAX_ROWS:
        _fail(f"the shape is {dataset.shape}, not (at most {MAX_ROWS}, {columns})", field)
    chunk_bytes = math.prod(dataset.chunks or ()) * dataset.dtype.itemsize
    if dataset.is_virtual or dataset.external or chunk_bytes > MAX_CHUNK_BYTES:
        _fail("the numbers lie in another file, or in too large blocks", field)
    return [[float(value) for value in row] for row in dataset[()].tolist()]


def main(path: str) -> None:
    """Print the rows of ``path``, or what is wrong with it, as JSON."""
    with contextlib.suppress(ImportError, ValueError, OSError):  # a system without such limits, or with lower ones
        import resource

        resource.setrlimit(resource.RLIMIT_AS, (MAX_MEMORY_BYTES, MAX_MEMORY_BYTES))
        resource.setrlimit(resource.RLIMIT_CPU, (MAX_CPU_S, MAX_CPU_S))
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    answer: dict[str, Any]
    try:
        answer = {"videos": read_rows(Path(path))}
    except _CsdError as error:
        answer = {"problem": error.problem, "field": error.field}
    json.dump(answer, sys.stdout)


if __name__ == "__main__":
    main(sys.argv[1])
