"""A folder is held by one process at a time, and let go however that ends."""

from __future__ import annotations

import signal
import subprocess
import sys
from pathlib import Path

import pytest

from mesmer.errors import MesmerError
from mesmer.storage.locking import locked_folder

HOLD = """
import sys, time
from pathlib import Path
from mesmer.errors import MesmerError
from mesmer.storage.locking import locked_folder
with locked_folder(Path(sys.argv[1]), busy=MesmerError("busy")):
    print("held", flush=True)
    time.sleep(60)
"""


def test_held_by_another_process_until_that_is_killed(tmp_path: Path) -> None:
    folder = tmp_path / "a" / "b"
    process = subprocess.Popen([sys.executable, "-c", HOLD, str(folder)], stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    assert process.stdout.readline() == "held\n"
    with pytest.raises(MesmerError, match="taken"), locked_folder(folder, busy=MesmerError("taken")):
        raise AssertionError("two hold it")
    process.send_signal(signal.SIGKILL)
    process.wait()
    with locked_folder(folder, busy=MesmerError("taken")):
        pass


def test_given_back_when_the_body_fails(tmp_path: Path) -> None:
    with pytest.raises(ZeroDivisionError), locked_folder(tmp_path, busy=MesmerError("taken")):
        raise ZeroDivisionError
    with locked_folder(tmp_path, busy=MesmerError("taken")):
        pass


def test_a_folder_that_cannot_be_made_is_one_plain_error(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(MesmerError, match="file"), locked_folder(tmp_path / "file" / "x", busy=MesmerError("taken")):
        raise AssertionError("it was made")
