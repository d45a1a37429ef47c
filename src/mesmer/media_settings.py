"""How media become clips, and sound becomes spectrograms."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Literal

from mesmer.errors import ConfigError
from mesmer.setting_checks import UNHASHED_DEFAULT, between, positive

SAMPLE_RATE_HZ = 16_000


@dataclass(frozen=True, kw_only=True)
class PrepareSettings:
    """How media become clips. Hashed into a prepared dataset and stored with every model trained on it.

    Attributes:
        frame_interval_s: one frame is sampled every so many seconds, by presentation time (paper's code: 0.5).
        face_margin: the crop is the detected square grown by this share of its side.
        min_face_px: smallest face side searched for, in pixels of the detection frame.
        detect_max_side_px: frames are shrunk to at most this long side before detection; crops come from the full frame.
        search_every_frames: the whole picture is searched for faces in every so many sampled frames, and where a face is
            lost; in the frames between, faces are looked for where they should be by now. 1 searches every frame.
        max_frame_side_px: frames are shrunk to at most this long side when decoded.
        silence_peak: a waveform whose peak stays at or below this is absent: silent.
        trim_silence: of sound without a picture, the silence before and behind is cut off; the clip begins and ends with
            what remains. Beside a picture nothing is cut, so that times agree.
    """

    frame_interval_s: float = 0.5
    face_margin: float = 0.15
    min_face_px: int = 40
    detect_max_side_px: int = 480
    search_every_frames: int = 4
    max_frame_side_px: int = 1280
    silence_peak: float = 1e-4
    trim_silence: bool = field(default=False, metadata=UNHASHED_DEFAULT)

    def __post_init__(self) -> None:
        positive(self, "frame_interval_s", "min_face_px", "detect_max_side_px", "search_every_frames", "max_frame_side_px")
        between(self, 0.0, 2.0, "face_margin")
        between(self, 0.0, 1.0, "silence_peak")

    def beside_a_picture(self) -> PrepareSettings:
        """Return what these settings come to where there is a picture, beside which no silence is cut."""
        return replace(self, trim_silence=False)


@dataclass(frozen=True, kw_only=True)
class MelSettings:
    """Mel-spectrogram chunks (paper section 5.3): 25 ms window, 12.5 ms stride, 128 bands, 400 ms chunks.

    Attributes:
        scale: ``log`` (default preset: log power, then normalised per utterance or not) or ``power`` (linear, as in the
            published code).
        normalise: ``none`` or ``utterance`` (zero mean, unit deviation over the utterance's log-mel values).
    """

    window_ms: float = 25.0
    stride_ms: float = 12.5
    num_bands: int = 128
    chunk_ms: float = 400.0
    scale: Literal["log", "power"] = "log"
    normalise: Literal["none", "utterance"] = "utterance"

    def __post_init__(self) -> None:
        positive(self, "window_ms", "stride_ms", "num_bands", "chunk_ms")
        for name, samples in (("window_ms", self.window_ms), ("stride_ms", self.stride_ms)):
            if (samples * SAMPLE_RATE_HZ / 1000) % 1:
                raise ConfigError(f"{samples} ms is not a whole number of samples at 16 kHz", field=name)
        if (self.chunk_ms / self.stride_ms) % 1:
            raise ConfigError(f"{self.chunk_ms} ms is not a whole number of strides", field="chunk_ms")
        if self.scale == "power" and self.normalise != "none":
            raise ConfigError("linear power is not normalised", field="normalise", remedy="set normalise: none")

    @property
    def window_samples(self) -> int:
        return round(self.window_ms * SAMPLE_RATE_HZ / 1000)

    @property
    def stride_samples(self) -> int:
        return round(self.stride_ms * SAMPLE_RATE_HZ / 1000)

    @property
    def chunk_frames(self) -> int:
        """Spectrogram frames in one chunk: 32 with the paper's constants."""
        return round(self.chunk_ms / self.stride_ms)

    @property
    def chunk_samples(self) -> int:
        return self.chunk_frames * self.stride_samples
