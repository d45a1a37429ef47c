"""The one door to the packages of the extra ``asr``: silero-VAD hears speech, faster-whisper writes it down.

Both bring or load their weights from the disk; nothing is fetched unless a hub id is given for Whisper.
"""

from __future__ import annotations

import warnings
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from mesmer.config import SAMPLE_RATE_HZ
from mesmer.errors import ConfigError, DependencyError

INSTALL = "install it with: pip install 'mesmer-emotion[asr]'"
MAX_WORDS_CHARACTERS = 20_000
"""Characters of a transcript of one utterance; a speech model can run in circles."""


def load_silero() -> Any:
    """Return silero-VAD's model, which takes 512 samples at a time and says how probable speech is.

    Raises:
        DependencyError: the package is not installed, or does not work with this torch.
    """
    threads = torch.get_num_threads()
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            from silero_vad import load_silero_vad

            # The same probabilities to 1e-5; with onnxruntime in a third of the time.
            return load_silero_vad(onnx=find_spec("onnxruntime") is not None)
    except ImportError:
        raise DependencyError("silero-VAD is not installed", remedy=INSTALL) from None
    except Exception as error:  # of whatever kind a package may raise that does not fit this torch
        raise DependencyError(f"silero-VAD cannot be used here ({error})", remedy=INSTALL) from error
    finally:
        torch.set_num_threads(threads)  # its import sets it to one


class Whisper:
    """Writes down what is said, on the CPU, with a Whisper model in the format of faster-whisper.

    Args:
        model: a folder, or the name or hub id of a model (which faster-whisper fetches where it is not cached).
        language: two letters such as ``en``; None lets the model guess for each utterance.

    Raises:
        DependencyError: faster-whisper is not installed.
        ConfigError: the model cannot be loaded, or does not know the language.
    """

    def __init__(self, model: str, *, language: str | None = None) -> None:
        try:
            from faster_whisper import WhisperModel
        except ImportError:
            raise DependencyError("faster-whisper is not installed", remedy=INSTALL) from None
        try:
            self._model = WhisperModel(model, device="cpu", compute_type="int8", cpu_threads=torch.get_num_threads())
        except Exception as error:  # of whatever kind: of the hub, of the disk, of the format
            remedy = "give the folder of a model for faster-whisper, or its name while you are online"
            raise ConfigError(f"the Whisper model cannot be loaded ({error})", file=model, remedy=remedy) from error
        known = list(self._model.supported_languages)
        if language is not None and language not in known:
            remedy = f"this model knows: {', '.join(known)}"
            raise ConfigError(f"the language '{language}' is not known to it", file=model, field="language", remedy=remedy)
        self._language = language or (known[0] if len(known) == 1 else None)
        self.name = f"Whisper ({Path(model).name}, {self._language or 'any language'})"

    def words(self, waveform: NDArray[np.float32]) -> str:
        """Return what is said in ``waveform``, float32 (T,), mono, 16 kHz; empty where nothing is understood."""
        if len(waveform) < SAMPLE_RATE_HZ // 10:
            return ""
        pieces, _ = self._model.transcribe(
            waveform, language=self._language, beam_size=1, temperature=0.0, condition_on_previous_text=False
        )
        return " ".join(piece.text.strip() for piece in pieces).strip()[:MAX_WORDS_CHARACTERS]
