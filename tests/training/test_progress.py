"""People are told how it goes: by plain lines in a log, by a live bar on a terminal."""

from __future__ import annotations

import io

import pytest

from mesmer.training.progress import Counter, Screen


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


EPOCH = {
    "epoch": 1,
    "train_loss": 0.5,
    "valid_f1": 0.4,
    "best_epoch": 1,
    "best_f1": 0.4,
    "top_p": 0.75,
    "utterances_per_s": 12.34,
    "step": 2,
}


@pytest.mark.parametrize("kind", [io.StringIO, Terminal])
def test_training_is_told(kind: type[io.StringIO], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TERM", "xterm")
    file = kind()
    screen = Screen(file, epochs=2, steps_per_epoch=2)
    screen.step({"step": 1, "loss": 0.7, "learning_rate": 5e-5, "utterances": 8})
    screen.step({"step": 2, "loss": 0.6, "learning_rate": 5e-5, "utterances": 8})
    screen.epoch(dict(EPOCH))
    screen.close()
    text = file.getvalue()
    told = " ".join(text.split())
    assert "epoch 1: loss 0.5000, validation F1 40.0 (best), top_p 0.75, 12.3 utterances/s, 0:00:00 left at most" in told
    if kind is io.StringIO:
        assert text.count("\n") == 1
        assert "\x1b" not in text
    else:
        assert "2/4" in text
        assert "loss 0.600, rate 5.0e-05," in told


def test_a_count_is_told_ten_times_at_most(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TERM", "xterm")
    file = io.StringIO()
    with Counter("preparing", file=file) as counter:
        for done in range(1, 998):
            counter(done, 997)
    lines = file.getvalue().splitlines()
    assert len(lines) == 10
    assert lines[-1] == "preparing: 997 of 997"
    terminal = Terminal()
    with Counter("preparing", file=terminal) as counter:
        counter(5, 5)
    assert "5/5" in terminal.getvalue()


def test_a_count_says_how_fast_and_how_long_still(monkeypatch: pytest.MonkeyPatch) -> None:
    now_s = [100.0]
    monkeypatch.setattr("mesmer.training.progress.time.monotonic", lambda: now_s[0])
    file = io.StringIO()
    with Counter("preparing", file=file) as counter:
        counter(1000, 4000)  # of an earlier run: nothing can be said of it
        for done in range(1001, 4001):
            now_s[0] += 2.0
            counter(done, 4000)
    lines = file.getvalue().splitlines()
    assert lines[0] == "preparing: 1000 of 4000"
    assert lines[1] == "preparing: 1200 of 4000, 0.5/s, 1 h 33 min left"
    assert lines[-2] == "preparing: 3600 of 4000, 0.5/s, 13 min left"
    assert lines[-1] == "preparing: 4000 of 4000"
