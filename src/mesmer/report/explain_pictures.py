"""All pictures of one explanation, in one folder."""

from __future__ import annotations

from pathlib import Path

from mesmer.explain.explanation import Explanation
from mesmer.report.explain_shares import write_share_pictures
from mesmer.report.explain_steps import write_step_pictures
from mesmer.report.explain_strip import write_strip
from mesmer.report.explain_video import write_overlay_video


def write_pictures(explanation: Explanation, folder: str | Path, *, blur: bool = False) -> list[Path]:
    """Write every picture and the arrays of an explanation; files of the same names are replaced.

    Args:
        explanation: from :func:`mesmer.explain`.
        folder: made where it is missing.
        blur: blur faces outside the sites that the first layer kept. It makes people harder to recognise, not anonymous.

    Returns:
        The paths written.

    Raises:
        MesmerError: they cannot be written.
    """
    folder = Path(folder)
    return [
        *explanation.save(folder, faces=not blur),
        *write_share_pictures(explanation, folder),
        *write_strip(explanation, folder, blur=blur),
        *write_step_pictures(explanation, folder, blur=blur),
        *write_overlay_video(explanation, folder, blur=blur),
    ]
