"""A raw clip in, an explanation out, by the road that prediction takes."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from mesmer.dataset.clip import make_clip
from mesmer.errors import MesmerError
from mesmer.evaluation.device import choose_device
from mesmer.evaluation.predictions import turned_to
from mesmer.explain.explanation import Explanation, KeptSites
from mesmer.explain.map_test import hold_against_random
from mesmer.explain.seeing import SEEN, Seen, batch_of, end_to_end, shares_of
from mesmer.explain.steps import check_method, step_shares
from mesmer.explain.words import word_influence
from mesmer.media.reader import MediaReader
from mesmer.models.loading import LoadedModel, load_model
from mesmer.records import MODALITIES, Batch, Clip, ModelOutput, Utterance
from mesmer.signals.mtcnn import FaceDetector
from mesmer.training.run_folder import model_source


class Explainer:
    """A model that says why, clip after clip.

    Args:
        model: a loaded model, or the folder, name or hub id of one, or the folder of a training run; None is the default.
        top_p: nucleus mass of the sparse blocks, in (0, 1]; None leaves the model's own.
        steps: how the shares of the time steps are computed, see :mod:`mesmer.explain.steps`.

    Raises:
        ModelError: the model cannot be loaded, or reads no media.
        ConfigError: ``top_p`` or ``steps`` is refused.
        DependencyError: the method needs a package that is not installed.
    """

    def __init__(
        self, model: LoadedModel | str | Path | None = None, *, top_p: float | None = None, steps: str = "occlusion"
    ) -> None:
        self._method = check_method(steps)
        self.loaded = model if isinstance(model, LoadedModel) else load_model(model_source(model))
        self._network = end_to_end(self.loaded.model)
        self._network.to(choose_device()).eval()
        self._top_p = top_p
        with turned_to(self._network, top_p):
            pass  # refused now, not after the first clip was read

    def read(self, path: str | Path, *, transcript: str | None = None) -> Clip:
        """Return the clip at ``path`` as the model is given it.

        Raises:
            MediaError: the file cannot be read.
        """
        prepare = self.loaded.prepare
        utterance = Utterance(id=Path(path).name, corpus="", media=str(path), text=transcript)
        with MediaReader() as reader:
            return make_clip(
                utterance, reader=reader, detector=FaceDetector(min_face_px=prepare.min_face_px), settings=prepare
            )

    @torch.no_grad()
    def shares(self, clips: Sequence[Clip]) -> Tensor:
        """Return float64 (B, M, L), what each modality of several clips adds to the log-odds of each emotion."""
        with turned_to(self._network, self._top_p):
            return shares_of(self._network, self._network(batch_of(self.loaded, clips)))

    def explain(self, clip: Clip) -> Explanation:
        """Return the explanation of a clip.

        Raises:
            MesmerError: there is neither a picture, nor sound, nor words that the model can use.
        """
        network = self._network
        used = [name for name in network.modalities if name not in clip.absent]
        if not used:
            reasons = ", ".join(f"{name}: {reason}" for name, reason in clip.absent.items())
            problem = f"nothing to read ({reasons})"
            raise MesmerError(problem, file=clip.id, remedy="give a clip with a picture, sound or words")
        batch = batch_of(self.loaded, [clip])
        with torch.no_grad(), turned_to(network, self._top_p):
            output: ModelOutput = network(batch, traces=True)
            return self._told(clip, batch, output, used)

    def _told(self, clip: Clip, batch: Batch, output: ModelOutput, used: Sequence[str]) -> Explanation:
        network = self._network
        emotions = network.settings.emotions
        probabilities = network.probabilities(output.logits)[0].cpu().numpy()
        thresholds = np.array([network.thresholds[name] for name in emotions])
        decided = [i for i in np.argsort(-probabilities, kind="stable") if probabilities[i] >= thresholds[i]]
        calibration = network.calibration.values()
        offsets = network.offsets(output.logits)[0].cpu().numpy()
        temperatures = np.array([one.temperature for one in calibration])
        shares = shares_of(network, output)[0].numpy()
        seen: list[Seen] = [name for name in SEEN if name in used]
        leading = int(probabilities.argmax())
        return Explanation(
            clip=clip,
            chunks=batch.chunks[:, 0].cpu().numpy(),
            mel=network.settings.mel,
            emotions=emotions,
            log_odds=output.logits[0].double().cpu().numpy() / temperatures + offsets,
            probabilities=probabilities,
            thresholds=thresholds,
            decisions=tuple(emotions[i] for i in decided),
            shares={name: shares[MODALITIES.index(name)] for name in used},
            offsets=offsets,
            steps={name: step_shares(network, batch, output, name, self._method) for name in seen},
            words=word_influence(self.loaded, clip, batch, output) if "text" in used else None,
            sites={
                (name, block): KeptSites(attention=trace.attention.cpu().numpy(), kept=trace.kept.cpu().numpy())
                for name in seen
                for (owner, block), trace in output.traces.items()
                if owner == name
            },
            tests={
                name: hold_against_random(network, batch, output, name, emotion=leading)
                for name in seen
                if (name, 0) in output.traces
            },
            top_p=network.top_p,
        )


def explain(
    path: str | Path,
    *,
    model: LoadedModel | str | Path | None = None,
    transcript: str | None = None,
    top_p: float | None = None,
    steps: str = "occlusion",
) -> Explanation:
    """Return why a model answers as it does about one clip. For many clips, use one :class:`Explainer`.

    Args:
        path: a video or sound file.
        model: a loaded model, the folder, name or hub id of one, or the folder of a training run; None is the default.
        transcript: what is said in the clip, if known.
        top_p: nucleus mass of the sparse blocks, in (0, 1]; None leaves the model's own.
        steps: how the shares of the time steps are computed: ``occlusion`` or ``integrated_gradients``.

    Raises:
        MesmerError: clip or model cannot be read, an option is refused, or there is nothing in the clip to read.
    """
    explainer = Explainer(model, top_p=top_p, steps=steps)
    return explainer.explain(explainer.read(path, transcript=transcript))
