"""A raw clip in, the expressed emotions out: the same road that training data took, then the model.

``make_clip`` (decode, track the face, cut the crops) -> ``clip_features`` (for a model on hand-crafted features) ->
``collate`` (tensors) -> model -> :class:`Prediction`.
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Literal, cast

import torch
from torch import Tensor

from mesmer.dataset.clip import make_clip
from mesmer.dataset.collate import collate
from mesmer.errors import ConfigError, MesmerError
from mesmer.evaluation.abstention import unsure
from mesmer.evaluation.device import choose_device
from mesmer.evaluation.predictions import turned_to
from mesmer.media.reader import MediaReader
from mesmer.models.base import EmotionModel
from mesmer.models.loading import LoadedModel, load_model
from mesmer.nn.fold import fold_for_inference
from mesmer.records import MODALITIES, Clip, ModelOutput, Prediction, Utterance
from mesmer.signals.handcrafted.clip_features import clip_features
from mesmer.signals.mtcnn import FaceDetector
from mesmer.training.run_folder import model_source


class Predictor:
    """A model with everything it needs to read clips, one after another; a context manager.

    Args:
        model: a loaded model, or the folder, name or hub id of one, or the folder of a training run; None is the default.
        top_p: nucleus mass of the sparse blocks, in (0, 1]; None leaves the model's own.
        precision: ``fp32``, or ``bf16``: convolutions in bfloat16, with weights folded; about three significant digits.

    Raises:
        ModelError: the model cannot be loaded.
        ConfigError: ``top_p`` or ``precision`` is refused.
    """

    def __init__(
        self,
        model: LoadedModel | str | Path | None = None,
        *,
        top_p: float | None = None,
        precision: Literal["fp32", "bf16"] = "fp32",
    ) -> None:
        if precision not in ("fp32", "bf16"):
            raise ConfigError(f"there is no '{precision}'", field="precision", remedy="use fp32 or bf16")
        loaded = model if isinstance(model, LoadedModel) else load_model(model_source(model))
        self._loaded = loaded
        self._model, self._tokenizer, self._prepare = loaded.model, loaded.tokenizer, loaded.prepare
        if precision == "bf16":
            self._model = cast(EmotionModel, fold_for_inference(self._model, dtype=torch.bfloat16))
        self._device = choose_device()
        self._model.to(self._device).eval()
        self._top_p = top_p
        with turned_to(self._model, top_p):
            pass  # refused now, not after the first clip was read
        self._resources = None if self._model.settings.features is None else loaded.feature_resources()
        self._detector = FaceDetector(min_face_px=self._prepare.min_face_px)
        self._reader = MediaReader()

    def __enter__(self) -> Predictor:
        return self

    def __exit__(self, *raised: object) -> None:
        self._reader.close()

    @property
    def loaded(self) -> LoadedModel:
        """The model, its tokenizer and how media become clips for it."""
        return self._loaded

    @property
    def detector(self) -> FaceDetector:
        """Finds the faces, as the model was trained."""
        return self._detector

    @property
    def reader(self) -> MediaReader:
        """Reads the files."""
        return self._reader

    @property
    def top_p(self) -> float | None:
        """Nucleus mass of the sparse blocks in use; None for a model that has none."""
        return self._top_p if self._top_p is not None else getattr(self._model, "top_p", None)

    def predict(
        self, path: str | Path, *, transcript: str | None = None, start_s: float | None = None, end_s: float | None = None
    ) -> Prediction:
        """Return which emotions are expressed in the clip at ``path``.

        Args:
            path: a video or sound file.
            transcript: what is said in it, if known.
            start_s, end_s: the stretch of the file that is read, in seconds; None is the file's own start or end.

        Raises:
            MediaError: the file cannot be read.
            MesmerError: there is neither a picture, nor sound, nor words.
        """
        start = time.perf_counter()
        clip = self._read(path, transcript, start_s, end_s)
        return self.predict_clip(clip, media=path, read_s=time.perf_counter() - start)

    def predict_clip(self, clip: Clip, *, media: str | Path, read_s: float = 0.0) -> Prediction:
        """Return which emotions are expressed in a clip that has been read.

        Args:
            clip: made as :func:`~mesmer.dataset.clip.make_clip` makes it with this model's settings.
            media: the file it comes from.
            read_s: how long it took to read, for the account of costs.

        Raises:
            MesmerError: there is neither a picture, nor sound, nor words.
        """
        path = media
        read = time.perf_counter()
        if set(self._model.modalities) <= set(clip.absent):
            reasons = ", ".join(f"{name}: {reason}" for name, reason in clip.absent.items())
            raise MesmerError(
                f"nothing to read ({reasons})", file=path, remedy="give a clip with a picture, sound or words"
            )
        features, resources = self._model.settings.features, self._resources
        if features is not None and resources is not None:
            clip = replace(clip, features=clip_features(clip, features, resources, media=Path(path)))
        batch = collate(
            [clip],
            None,
            tokenizer=self._tokenizer,
            mel=self._model.settings.mel,
            max_tokens=self._model.settings.text.max_tokens,
        )
        made = time.perf_counter()
        with torch.no_grad(), turned_to(self._model, self._top_p):
            output = self._model(batch.to(self._device))
        done = time.perf_counter()
        seconds = {"read": read_s, "tensors": made - read, "model": done - made, "total": done - read + read_s}
        return self._told(clip, output, seconds)

    def _read(self, path: str | Path, transcript: str | None, start_s: float | None, end_s: float | None) -> Clip:
        utterance = Utterance(id=Path(path).name, corpus="", media=str(path), text=transcript, start_s=start_s, end_s=end_s)
        return make_clip(utterance, reader=self._reader, detector=self._detector, settings=self._prepare)

    def _told(self, clip: Clip, output: ModelOutput, seconds: Mapping[str, float]) -> Prediction:
        emotions, thresholds = self._model.settings.emotions, self._model.thresholds
        calibration = self._model.calibration
        probabilities = _named(emotions, self._model.probabilities(output.logits)[0])
        temperature = torch.tensor([calibration[name].temperature for name in emotions], dtype=torch.float64)
        shares = (output.modality_weights[0, :, None] * output.modality_logits[0]).double().cpu() / temperature
        near = unsure([list(probabilities.values())], thresholds, self._model.unsure_margins, emotions)[0]
        decided = [name for name in emotions if probabilities[name] >= thresholds[name]]
        absent = (f"{name} absent: {reason}" for name, reason in clip.absent.items())
        used = [name for name in self._model.modalities if name not in clip.absent]
        return Prediction(
            id=clip.id,
            probabilities=probabilities,
            thresholds=thresholds,
            decisions=sorted(decided, key=lambda name: -probabilities[name]),
            modalities_used=used,
            modality_shares={name: _named(emotions, shares[i]) for i, name in enumerate(MODALITIES) if name in used},
            offsets=_named(emotions, self._model.offsets(output.logits)[0]),
            unsure=[name for name, too_near in zip(emotions, near, strict=True) if too_near],
            warnings=[*absent, *clip.warnings],
            cost={
                "multiply_adds": int(output.multiply_adds[0]),
                "dense_multiply_adds": int(output.dense_multiply_adds[0]),
                **{f"seconds_{stage}": round(value, 4) for stage, value in seconds.items()},
            },
        )


def predict(
    path: str | Path,
    *,
    model: LoadedModel | str | Path | None = None,
    transcript: str | None = None,
    top_p: float | None = None,
) -> Prediction:
    """Return which emotions are expressed in one clip. For many clips, use one :class:`Predictor`.

    Args:
        path: a video or sound file.
        model: a loaded model, the folder, name or hub id of one, or the folder of a training run; None is the default.
        transcript: what is said in the clip, if known.
        top_p: nucleus mass of the sparse blocks, in (0, 1]; None leaves the model's own.

    Raises:
        MesmerError: clip or model cannot be read, ``top_p`` is refused, or there is nothing in the clip to read.
    """
    with Predictor(model, top_p=top_p) as predictor:
        return predictor.predict(path, transcript=transcript)


def _named(emotions: Sequence[str], values: Tensor) -> dict[str, float]:
    return dict(zip(emotions, values.tolist(), strict=True))
