"""Cut-out faces of strangers, 48 x 48 pixels: as numbers in a line of text, or as a small JPEG or PNG file.

These are the only pictures that are not decoded in a guarded process: the format, the size and the bytes are known before
the first pixel is computed.
"""

from __future__ import annotations

import io

import numpy as np
from numpy.typing import NDArray
from PIL import Image, UnidentifiedImageError

from mesmer.corpora.text_files import Place
from mesmer.records import FACE_PX

MAX_PICTURE_BYTES = 64 * 2**10
_FORMATS = ("JPEG", "PNG")
_DIGITS = frozenset("0123456789 ")


def grey_pixels(text: str, place: Place) -> NDArray[np.uint8]:
    """Return 2304 numbers from 0 to 255, row by row, as uint8 (48, 48).

    Raises:
        DataError: they are not so many, or no such numbers.
    """
    if not set(text) <= _DIGITS:
        place.fail("pixels", "a pixel is not a number", "use numbers from 0 to 255 with spaces between")
    values = np.fromstring(text, dtype=np.int64, sep=" ")
    if len(values) != FACE_PX**2:
        place.fail("pixels", f"{len(values)} pixels instead of {FACE_PX**2}", "is the line whole?")
    if values.max() > 255 or values.min() < 0:
        place.fail("pixels", "a pixel is above 255", "use numbers from 0 to 255")
    return values.astype(np.uint8).reshape(FACE_PX, FACE_PX)


def grey_picture(data: bytes, place: Place) -> NDArray[np.uint8]:
    """Return a small picture as uint8 (48, 48).

    Raises:
        DataError: it is no JPEG or PNG file of 48 x 48 pixels, or it is damaged.
    """
    if len(data) > MAX_PICTURE_BYTES:
        place.fail(
            "image", f"the picture has more than {MAX_PICTURE_BYTES} bytes", f"faces are {FACE_PX} x {FACE_PX} pixels"
        )
    try:
        with Image.open(io.BytesIO(data), formats=_FORMATS) as picture:
            if picture.size != (FACE_PX, FACE_PX):
                size = " x ".join(map(str, picture.size))
                place.fail("image", f"{size} pixels instead of {FACE_PX} x {FACE_PX}", "give the faces as published")
            return np.array(picture.convert("L"), dtype=np.uint8)
    except UnidentifiedImageError:
        place.fail("image", "this is no JPEG or PNG picture")
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError) as problem:
        place.fail("image", f"the picture is damaged ({str(problem)[:100]})")
