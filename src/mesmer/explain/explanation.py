"""What an explanation holds: everything that the pictures show, as arrays that can be saved.

Shape letters: S steps (faces or chunks), L emotions, W words, H W sites.
"""

from __future__ import annotations

import io
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mesmer.config import MelSettings
from mesmer.explain.map_test import MapTest
from mesmer.explain.seeing import Seen
from mesmer.explain.steps import StepShares
from mesmer.explain.words import Words
from mesmer.records import Clip
from mesmer.storage.atomic import write_bytes, write_json

FORMAT = "mesmer-explanation"
VERSION = 1


@dataclass(frozen=True, kw_only=True)
class KeptSites:
    """What one sparse block looked at.

    Attributes:
        attention: float32 (S, H, W), adds up to 1 over each map; 0 where the block before had dropped the site.
        kept: bool (S, H, W), the sites that went on.
    """

    attention: NDArray[np.float32]
    kept: NDArray[np.bool_]


@dataclass(frozen=True, kw_only=True)
class Explanation:
    """Why a model answered as it did about one clip. All shares are in log-odds (natural logarithm).

    Attributes:
        clip: what was looked at.
        chunks: float32 (S, bands, frames), the spectrogram as the model heard it.
        mel: how it was made.
        emotions: L names.
        log_odds, probabilities, thresholds: float64 (L,).
        decisions: the emotions at or above their threshold, most probable first.
        shares: modality -> float64 (L,), exact: with ``offsets`` they add up to ``log_odds``.
        offsets: float64 (L,), what the calibration adds, whoever is seen.
        steps: modality -> the parts of its time steps.
        words: what each word does; None without words.
        sites: (modality, block) -> what the block looked at; block 0 is the first. Empty for a dense model.
        tests: modality -> whether its map beats a random one; empty for a dense model.
        top_p: the attention mass that was kept.
    """

    clip: Clip
    chunks: NDArray[np.float32]
    mel: MelSettings
    emotions: tuple[str, ...]
    log_odds: NDArray[np.float64]
    probabilities: NDArray[np.float64]
    thresholds: NDArray[np.float64]
    decisions: tuple[str, ...]
    shares: Mapping[str, NDArray[np.float64]]
    offsets: NDArray[np.float64]
    steps: Mapping[Seen, StepShares]
    words: Words | None
    sites: Mapping[tuple[Seen, int], KeptSites]
    tests: Mapping[Seen, MapTest]
    top_p: float

    @property
    def blocks(self) -> int:
        """Number of sparse blocks."""
        return 1 + max((block for _, block in self.sites), default=-1)

    @property
    def leading(self) -> int:
        """The most probable emotion's place."""
        return int(self.probabilities.argmax())

    def arrays(self) -> dict[str, NDArray[Any]]:
        """Return every array under a plain name, such as ``visual_layer1_kept`` and ``text_share``."""
        named: dict[str, NDArray[Any]] = {
            "faces": self.clip.faces,
            "face_times_s": self.clip.face_times_s,
            "face_boxes_px": self.clip.face_boxes_px,
            "chunks": self.chunks,
            "log_odds": self.log_odds,
            "probabilities": self.probabilities,
            "thresholds": self.thresholds,
            "offsets": self.offsets,
        }
        for name, share in self.shares.items():
            named[f"{name}_share"] = share
        for name, parts in self.steps.items():
            named[f"{name}_step_shares"], named[f"{name}_empty_share"] = parts.steps, parts.empty
        for (name, block), seen in self.sites.items():
            named[f"{name}_layer{block + 1}_attention"] = seen.attention
            named[f"{name}_layer{block + 1}_kept"] = seen.kept
        if self.words is not None:
            named["word_spans"] = np.array(self.words.spans, dtype=np.int64).reshape(-1, 2)
            named["word_influence"] = self.words.influence
        return named

    def to_json(self) -> dict[str, Any]:
        """Return all but the large arrays as plain types, ready for ``json.dumps``."""

        def by_emotion(values: NDArray[np.float64]) -> dict[str, float]:
            return dict(zip(self.emotions, values.tolist(), strict=True))

        words = self.words
        return {
            "format": FORMAT,
            "version": VERSION,
            "id": self.clip.id,
            "top_p": self.top_p,
            "probabilities": by_emotion(self.probabilities),
            "thresholds": by_emotion(self.thresholds),
            "decisions": list(self.decisions),
            "log_odds": by_emotion(self.log_odds),
            "offsets": by_emotion(self.offsets),
            "shares": {name: by_emotion(share) for name, share in self.shares.items()},
            "steps": {
                name: {
                    "method": parts.method,
                    "empty": by_emotion(parts.empty),
                    "missing": by_emotion(parts.missing),
                    "shares": [by_emotion(step) for step in parts.steps],
                }
                for name, parts in self.steps.items()
            },
            "words": None
            if words is None
            else {
                "steered": words.steered,
                "influence": [
                    {"word": self.clip.text[begin:end], "span": [begin, end], **by_emotion(row)}
                    for (begin, end), row in zip(words.spans, words.influence, strict=True)
                ],
            },
            "maps": {
                name: {
                    "emotion": test.emotion,
                    "change": test.change,
                    "random_changes": list(test.random),
                    "beats_random": test.beats_random,
                }
                for name, test in self.tests.items()
            },
            "absent": dict(self.clip.absent),
            "warnings": list(self.clip.warnings),
        }

    def save(self, folder: str | Path, *, faces: bool = True) -> list[Path]:
        """Write ``explanation.json`` and ``explanation.npz`` (plain arrays, no pickle) and return their paths.

        Args:
            folder: made where it is missing.
            faces: whether the face crops are among the arrays.

        Raises:
            MesmerError: the folder cannot be written.
        """
        folder = Path(folder)
        packed = io.BytesIO()
        arrays = {name: array for name, array in self.arrays().items() if faces or name != "faces"}
        np.savez_compressed(packed, **arrays)  # type: ignore[arg-type]
        paths = [folder / "explanation.json", folder / "explanation.npz"]
        write_json(paths[0], self.to_json())
        write_bytes(paths[1], packed.getvalue())
        return paths
