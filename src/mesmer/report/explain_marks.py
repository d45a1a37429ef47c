"""How explanations are drawn: grey pictures with the kept sites in one strong colour, at the width of a paper column.

Kept sites differ from the rest by colour *and* by brightness, and the series of a plot by colour and by hatching, so that
nothing rests on telling red from green. The colours are those of Okabe and Ito.
"""

from __future__ import annotations

import io
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib import rc_context
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter

from mesmer.config import SAMPLE_RATE_HZ, MelSettings
from mesmer.storage.atomic import write_bytes

MARK = np.array([213, 94, 0]) / 255  # vermilion
MARK_SHARE = 0.62
COLOURS = {"text": "#0072B2", "audio": "#E69F00", "visual": "#009E73", "offset": "#999999"}
HATCHES = {"text": "", "audio": "////", "visual": "....", "offset": "xxxx"}

COLUMN_IN = 3.33
"""Width of a column of a paper, in inches."""
PAGE_IN = 6.9

BLUR_PX = 4.0
TICKS_HZ = (250, 1000, 4000)

_STYLE: Any = {
    "font.family": "DejaVu Sans",
    "font.size": 7,
    "axes.titlesize": 7,
    "axes.labelsize": 7,
    "xtick.labelsize": 6,
    "ytick.labelsize": 6,
    "axes.linewidth": 0.6,
    "xtick.major.width": 0.6,
    "ytick.major.width": 0.6,
    "xtick.major.size": 2.0,
    "ytick.major.size": 2.0,
    "hatch.linewidth": 0.5,
    "text.parse_math": False,  # words of a transcript are words, not formulas
    "svg.hashsalt": "mesmer",  # the same drawing, the same file
    "svg.fonttype": "path",
}


@contextmanager
def drawing_style() -> Iterator[None]:
    """Draw in this style, whatever the user's own settings are."""
    with rc_context(_STYLE), warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="Glyph .* missing")  # boxes stand for letters that the font lacks
        yield


def save_figure(figure: Figure, path: Path, *, svg: bool = True) -> list[Path]:
    """Write a figure as PNG (300 dots per inch) and SVG beside it; return the paths.

    Raises:
        MesmerError: they cannot be written.
    """
    written = []
    for kind in ("png", "svg") if svg else ("png",):
        made = io.BytesIO()
        metadata = {"Software": None} if kind == "png" else {"Date": None, "Creator": None}
        figure.savefig(made, format=kind, dpi=300, metadata=metadata)
        written.append(path.with_suffix("." + kind))
        write_bytes(written[-1], made.getvalue())
    return written


def grown(sites: NDArray[np.bool_], height: int, width: int) -> NDArray[np.bool_]:
    """Return a mask (H, W) as large as the map it belongs to."""
    return np.repeat(np.repeat(sites, height // sites.shape[0], 0), width // sites.shape[1], 1)


def marked(grey: NDArray[np.float64], sites: NDArray[np.bool_]) -> NDArray[np.float64]:
    """Return a grey picture (h, w) in [0, 1] as RGB, the kept ``sites`` (H, W) tinted and the rest darkened."""
    mask = grown(sites, *grey.shape)[..., None]
    tinted = (1 - MARK_SHARE) * grey[..., None] + MARK_SHARE * MARK
    return np.where(mask, tinted, 0.12 + 0.6 * grey[..., None])


def grey_face(face: NDArray[np.uint8]) -> NDArray[np.float64]:
    """Return a face (48, 48, 3) in grey, (48, 48) in [0, 1]; all shades are used, whatever the skin and the light."""
    grey = face @ np.array([0.2126, 0.7152, 0.0722])
    low, high = np.percentile(grey, (2, 98))
    answer: NDArray[np.float64] = np.clip((grey - low) / max(high - low, 1.0), 0, 1)
    return answer


def blurred_outside(face: NDArray[np.uint8], sites: NDArray[np.bool_]) -> NDArray[np.uint8]:
    """Return the face (48, 48, 3) with all but the kept ``sites`` blurred beyond recognition."""
    smooth = gaussian_filter(face.astype(np.float64), sigma=(BLUR_PX, BLUR_PX, 0), mode="nearest")
    mask = grown(sites, *face.shape[:2])[..., None]
    return np.where(mask, face, np.rint(smooth)).astype(np.uint8)


def grey_sound(chunks: NDArray[np.float32]) -> NDArray[np.float64]:
    """Return log-mel values as shades of grey in [0, 1]: from the 2nd to the 99.5th percentile of all that is given."""
    if not chunks.size:
        return chunks.astype(np.float64)
    low, high = np.percentile(chunks, (2, 99.5))
    return np.clip((chunks.astype(np.float64) - low) / max(high - low, 1e-9), 0, 1)


def frequency_axis(axes: Axes, mel: MelSettings, *, label: bool) -> None:
    """Label the bands of a spectrogram, drawn with band b at height b, in kHz."""
    axes.set_yticks([band_of_hz(hz, mel) for hz in TICKS_HZ], [f"{hz / 1000:g}" for hz in TICKS_HZ] if label else [])
    axes.set_ylim(-0.5, mel.num_bands - 0.5)
    if label:
        axes.set_ylabel("frequency (kHz)", labelpad=2)


def band_of_hz(hz: float, mel: MelSettings) -> float:
    """Return the band, from 0, in whose centre a frequency lies; between bands it is no whole number."""

    def scale(frequency: float) -> float:
        return 2595 * float(np.log10(1 + frequency / 700))

    return scale(hz) / scale(SAMPLE_RATE_HZ / 2) * (mel.num_bands + 1) - 1


def footnote(figure: Figure, lines: list[str]) -> None:
    """Put sentences under a figure."""
    if lines:
        figure.text(0.01, 0.012, "\n".join(lines), fontsize=6, va="bottom", ha="left", color="#8a2d00")
