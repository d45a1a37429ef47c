"""EmoEmbs, modality-transferable emotion embeddings: a baseline of paper section 5.2.

Dai, Liu, Yu and Fung 2020, "Modality-Transferable Emotion Embeddings for Low-Resource Multimodal Emotion Recognition"
(arXiv 2009.09629), section 3. An emotion is known by the word vector of its name. With r_m the state in which a
bidirectional LSTM ends that has read modality m:

- E_text are the word vectors, kept as they are; E_audio = f_a(E_text) and E_visual = f_v(E_text) are mapped by a learned
  linear function into the spaces of sound and picture;
- the scores of modality m are the similarities (dot products) of r_m with each row of E_m;
- the logits are the learned weighted sum of the scores.

No weight belongs to one emotion: a trained model can be asked for an emotion that it was not trained on
(:meth:`EmotionEmbeddings.speaking_of`).

Shape letters: B utterances, M modalities, L emotions, W width of a word vector, D width of a state.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import partial

import torch
from torch import Tensor, nn

from mesmer.config import ModelSettings
from mesmer.emotions import check_label_set
from mesmer.errors import ModelError
from mesmer.models.base import DEFAULT_THRESHOLD
from mesmer.models.feature_model import Answer, FeatureModel, feature_settings
from mesmer.nn.fusion import WeightedFusion
from mesmer.nn.lstm import LSTMEncoder
from mesmer.nn.packing import apply_to_rows
from mesmer.records import MODALITIES


class EmotionEmbeddings(FeatureModel):
    """Similarity of what is read, in each modality, to the emotions' word vectors.

    The word vectors are a buffer, saved with the weights. A fresh model's are drawn at random, all emotions alike
    unrelated, until :meth:`set_emotion_vectors`. Both directions of each LSTM are summed, so the text's is as wide as a
    word vector.
    """

    emotion_vectors: Tensor

    def __init__(self, *, settings: ModelSettings) -> None:
        super().__init__(settings)
        inputs = feature_settings(settings).widths
        word = inputs["text"]
        states = {**settings.baseline.lstm_widths, "text": word}
        self.encoders = nn.ModuleDict(
            {
                name: LSTMEncoder(
                    in_width=inputs[name],
                    width=states[name],
                    layers=settings.baseline.lstm_layers,
                    dropout=settings.dropout,
                    join="sum",
                )
                for name in MODALITIES
            }
        )
        self.mappings = nn.ModuleDict({name: nn.Linear(word, states[name]) for name in MODALITIES if name != "text"})
        self.fusion = WeightedFusion(modalities=len(MODALITIES), kind=settings.fusion)
        self.register_buffer("emotion_vectors", _unit(torch.randn(len(settings.emotions), word)))

    def set_emotion_vectors(self, vectors: Tensor) -> None:
        """Take over the word vectors (L, W) of the emotions' names, in the order of ``settings.emotions``, at unit length.

        Raises:
            ModelError: another shape, a number that is not finite, or a vector of zeros.
        """
        expected = tuple(self.emotion_vectors.shape)
        if tuple(vectors.shape) != expected:
            raise ModelError(f"{expected} is expected, not {tuple(vectors.shape)}", field="emotion_vectors")
        if not bool(torch.isfinite(vectors).all()) or bool((vectors == 0).all(dim=1).any()):
            raise ModelError("an emotion's word vector is zero or not finite", field="emotion_vectors")
        with torch.no_grad():
            self.emotion_vectors.copy_(_unit(vectors.to(self.emotion_vectors)))

    def speaking_of(self, emotions: Sequence[str], vectors: Tensor) -> EmotionEmbeddings:
        """Return a copy with the same weights that speaks of other emotions, also of ones it was not trained on.

        Args:
            emotions: L' names.
            vectors: their word vectors (L', W), from the table that the training's came from.

        Raises:
            DataError: the names are no label set.
            ModelError: the vectors do not fit them.
        """
        names = check_label_set(emotions)
        with torch.random.fork_rng(devices=[]):  # the fresh weights are overwritten
            other = EmotionEmbeddings(settings=replace(self.settings, emotions=names)).to(self.emotion_vectors.device)
        weights = {name: value for name, value in self.state_dict().items() if name != "emotion_vectors"}
        other.load_state_dict({**weights, "emotion_vectors": other.emotion_vectors})
        other.set_emotion_vectors(vectors)
        other.thresholds = {name: self.thresholds.get(name, DEFAULT_THRESHOLD) for name in names}
        return other.train(self.training)

    def answer(self, sequences: Mapping[str, tuple[Tensor, Tensor]], present: Tensor) -> Answer:
        scores, cost = [], torch.zeros(len(present), dtype=torch.int64, device=present.device)
        emotions, word = self.emotion_vectors.shape
        for k, name in enumerate(MODALITIES):
            encoder = self.encoders[name]
            assert isinstance(encoder, LSTMEncoder)
            state = encoder(*sequences[name])
            mapping = emotions * word * encoder.width if name in self.mappings else 0
            cost = cost + encoder.multiply_adds(sequences[name][1])
            cost = cost + present[:, k] * (mapping + emotions * encoder.width)
            scores.append(apply_to_rows(partial(self._score, name), state, present[:, k], width=emotions))
        modality_logits = torch.stack(scores, dim=1)
        logits, weights = self.fusion(modality_logits, present)
        return Answer(logits=logits, modality_logits=modality_logits, modality_weights=weights, multiply_adds=cost)

    def _score(self, name: str, state: Tensor) -> Tensor:
        """Return the similarities (B, L) of states (B, D) to the emotions in the space of a modality."""
        vectors = self.emotion_vectors
        return state @ (self.mappings[name](vectors) if name in self.mappings else vectors).T


def _unit(vectors: Tensor) -> Tensor:
    return nn.functional.normalize(vectors, dim=1)
