"""Pictures of faces in a page: read with suspicion from beside a result, blurred on request, put into the page itself."""

from __future__ import annotations

import base64
import io
import warnings
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from mesmer.errors import DataError
from mesmer.storage.paths import safe_join
from mesmer.storage.reading import read_bytes

MAX_PICTURE_BYTES = 2**20
MAX_PICTURE_PX = 512
SHOWN_PX = 96
"""A picture beside a result may be up to ``MAX_PICTURE_PX`` wide; in a page it is at most ``SHOWN_PX``."""
MAX_FACES = 300
"""Pictures of faces in one page, the first people's; the others go without."""
COARSE = 6
"""Squares along each side of a blurred face: too few to know anybody by, and nothing finer can be got back from them."""


def blurred(face: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Return a face, uint8 (H, W, 3), of which only the mean colours of 6x6 fields are left."""
    picture = Image.fromarray(face)
    coarse = picture.resize((COARSE, COARSE), Image.Resampling.BOX)
    return np.asarray(coarse.resize(picture.size, Image.Resampling.BILINEAR))


def png_bytes(face: NDArray[np.uint8]) -> bytes:
    """Return a picture, uint8 (H, W, 3), as PNG."""
    data = io.BytesIO()
    Image.fromarray(face).save(data, format="PNG")
    return data.getvalue()


def data_uri(face: NDArray[np.uint8]) -> str:
    """Return a picture as an address that holds it."""
    return "data:image/png;base64," + base64.b64encode(png_bytes(face)).decode("ascii")


def read_face(folder: Path, name: str) -> NDArray[np.uint8] | None:
    """Return the picture that a result names, uint8 (H, W, 3) of at most 96x96; None if it is not there any more.

    Raises:
        DataError: the name leads out of ``folder``, or the file is no plain, small PNG.
    """
    file = safe_join(folder, name)
    if file.is_symlink():
        raise DataError("this is a link, not a picture", file=file, remedy="put the picture itself there")
    if not file.exists():
        return None
    data = read_bytes(file, max_bytes=MAX_PICTURE_BYTES)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error")  # a picture that is much too large only warns
            with Image.open(io.BytesIO(data), formats=["PNG"]) as picture:
                if max(picture.size) > MAX_PICTURE_PX:
                    raise DataError(
                        f"a picture of {picture.width}x{picture.height} is too large",
                        file=file,
                        remedy="analyse the file again",
                    )
                plain = picture.convert("RGB")
    except DataError:
        raise
    except Exception:  # whatever a damaged picture makes its decoder raise
        raise DataError("this is no picture in PNG", file=file, remedy="analyse the file again") from None
    plain.thumbnail((SHOWN_PX, SHOWN_PX))
    return np.asarray(plain)
