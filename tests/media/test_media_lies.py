"""A decoder process under the control of a stranger: nothing it says is believed."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from media.making import failure, serves
from mesmer.errors import MediaError
from mesmer.media.limits import Limits
from mesmer.media.reader import MediaReader

LYING_DECODER = """\
#!{python}
import json, socket, struct, sys, time
channel = socket.socket(fileno=0)
def send(header, data=b"", lengths=None):
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    channel.sendall(struct.pack(">II", *(lengths or (len(text), len(data)))) + text + data)
send({{"answer": "ready"}})
facts = {{"answer": "facts", "container": "mov", "size_bytes": 1, "duration_s": 3.0, "has_video": True, "has_audio": True}}
channel.recv(100000)
{first}
while channel.recv(100000):
    {rest}
"""


@pytest.mark.parametrize(
    ("first", "rest"),
    [
        ("send(b'not json')", "pass"),
        ("send(b'[1, 2]')", "pass"),
        ("send(b'[' * 10000)", "pass"),
        ("send({'answer': 'facts'})", "pass"),
        ("send({**facts, 'duration_s': float('nan')})", "pass"),
        ("send({**facts, 'duration_s': -1})", "pass"),
        ("send({**facts, 'width_px': 10 ** 400})", "pass"),
        ("send({**facts, 'video_codec': ['x']})", "pass"),
        ("send(facts, lengths=(2 ** 31, 0))", "pass"),
        ("send(facts, lengths=(10, 2 ** 32 - 1))", "pass"),
        ("sys.exit(0)", "pass"),
        ("send(facts)", "send({'answer': 'frame', 'stretch': 0, 'index': 0, 'height_px': 10 ** 6, 'width_px': 10 ** 6})"),
        ("send(facts)", "send({'answer': 'frame', 'stretch': 0, 'index': 0, 'height_px': 2, 'width_px': 2}, bytes(11))"),
        ("send(facts)", "send({'answer': 'frame', 'stretch': 0, 'index': 7, 'height_px': 1, 'width_px': 1}, bytes(3))"),
        ("send(facts)", "send({'answer': 'frame', 'stretch': 0, 'index': 0, 'height_px': -1, 'width_px': -1}, bytes(3))"),
        ("send(facts)", "send({'answer': 'sound', 'stretch': 0, 'samples': 1}, struct.pack('<f', float('nan')))"),
        ("send(facts)", "send({'answer': 'sound', 'stretch': 0, 'samples': 1}, struct.pack('<f', 1.5))"),
        ("send(facts)", "send({'answer': 'sound', 'stretch': 0, 'samples': 8000}, bytes(32000))"),
        ("send(facts)", "send({'answer': 'end', 'stretch': 0, 'audio_absent': 'x', 'video_absent': None, 'warnings': []})"),
        ("send(facts)", "send({'answer': 'end', 'stretch': 0, 'audio_absent': [], 'video_absent': None, 'warnings': []})"),
        (
            "send(facts)",
            "send({'answer': 'end', 'stretch': 0, 'audio_absent': None, 'video_absent': None, 'warnings': ['x'] * 99})",
        ),
        ("send(facts)", "send({'answer': 'who are you'})"),
        ("send(facts)", "[(channel.sendall(b'x'), time.sleep(0.05)) for _ in range(200)]"),
        ("send(facts)", "send({'answer': 'more'})"),
    ],
)
def test_a_decoder_that_lies(good: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, first: str, rest: str) -> None:
    """A decoder under a stranger's control cannot make us allocate, wait or believe without bound."""
    program = tmp_path / "python"
    program.write_text(LYING_DECODER.format(python=sys.executable, first=first, rest=rest))
    program.chmod(0o700)
    with MediaReader(limits=Limits(timeout_s=0.7, clip_timeout_s=1.0, duration_s=60)) as one:
        with monkeypatch.context() as patched:
            patched.setattr(sys, "executable", str(program))
            error = failure(one, good)
        assert error.kind in ("crash", "timeout")
        assert one.decoder_pid is None
        if "exit" in first:
            serves(one, good)


def test_what_a_decoder_says_is_cleaned(good: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    program = tmp_path / "python"
    message = "'\\x1b[31m' + 'red' + chr(10) + 'x' * 5000"
    first = f"send({{'answer': 'error', 'kind': 'nonsense', 'message': {message}, 'field': None}})"
    program.write_text(LYING_DECODER.format(python=sys.executable, first=first, rest="pass"))
    program.chmod(0o700)
    with monkeypatch.context() as patched, MediaReader() as one:
        patched.setattr(sys, "executable", str(program))
        error = failure(one, good)
    assert error.kind == "crash"
    assert "\x1b" not in str(error)
    assert len(str(error)) < 800


def test_a_decoder_that_does_not_start(good: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for executable in (tmp_path / "no such program", Path("/bin/false")):
        monkeypatch.setattr(sys, "executable", str(executable))
        with MediaReader() as one, pytest.raises(MediaError) as caught:
            one.read(good)
        assert caught.value.kind == "crash"
