"""How a model is trained."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

from mesmer.augment_settings import FaceChanges, SoundChanges
from mesmer.errors import ConfigError
from mesmer.setting_checks import between, positive


@dataclass(frozen=True, kw_only=True)
class TrainSettings:
    """How a model is trained (paper section 5.3 and Table 6).

    Attributes:
        learning_rate: of Adam.
        attention_learning_rate_factor: the rate of the sparse blocks' attention is this times ``learning_rate``.
        text_learning_rate_factor: the text encoder's rate is this times ``learning_rate`` (published code: 0.1).
        batch_size: utterances per step, in all parts and processes together.
        accumulate: a step is computed in so many parts, one after another; batch norm takes its statistics part by part.
        precision: ``fp32``, or ``bf16``: products in bfloat16, weights and loss in float32.
        epochs: at most so many.
        patience: stop after so many epochs without a better validation average F1.
        gradient_clip: largest gradient norm; 0 does not clip.
        warmup_share: share of all steps over which the rate rises from 0.
        schedule: ``constant`` or ``cosine`` after the warm-up.
        loss: ``binary`` (a yes-or-no question per emotion, section 5.3) or ``choice`` (one of all emotions: softmax and
            cross-entropy; every utterance must carry exactly one).
        label_smoothing: share of the target that ``choice`` spreads evenly over all emotions.
        positive_weight: ``ratio`` (negatives / positives per emotion; with ``choice`` every emotion weighs alike in all) or
            ``none``.
        init_faces, init_voices, init_words: runs or models whose visual, acoustic or text branch the model starts with.
        freeze_branches_epochs: in so many epochs, the first ones, only heads and fusion learn.
        branch_loss: weight of the mean of the single branches' own losses, added to the fused loss; 0 is the paper.
        augment_faces, augment_sound: mirror and shift faces; shift and mask spectrogram chunks, in training only.
        face_changes, sound_changes: how much more than that.
        average_weights: decay of the running average of the weights, which is what is validated and saved; 0 takes the
            weights as they are.
        length_window: sentences of like length are brought together among so many steps, so that little is padded; 0 draws
            every step at random.
        weight_decay: of Adam (decoupled).
        seed: of everything random.
        threads: CPU threads of torch; 0 leaves torch's own choice.
        workers: loader processes.
        save_every_s: besides each epoch's end, the state is saved when so many seconds have passed since; 0 turns that off.
        save_every_steps: it is also saved at every step whose number is a multiple of this; 0 turns that off.
        tensorboard: also log for TensorBoard.
    """

    learning_rate: float = 5e-5
    text_learning_rate_factor: float = 0.1
    attention_learning_rate_factor: float = 3.0
    batch_size: int = 8
    accumulate: int = 1
    precision: Literal["fp32", "bf16"] = "fp32"
    epochs: int = 40
    patience: int = 6
    gradient_clip: float = 1.0
    warmup_share: float = 0.0
    schedule: Literal["constant", "cosine"] = "constant"
    loss: Literal["binary", "choice"] = "binary"
    label_smoothing: float = 0.0
    positive_weight: Literal["ratio", "none"] = "ratio"
    init_faces: str = ""
    init_voices: str = ""
    init_words: str = ""
    freeze_branches_epochs: int = 0
    branch_loss: float = 0.0
    augment_faces: bool = False
    augment_sound: bool = False
    face_changes: FaceChanges = field(default_factory=FaceChanges)
    sound_changes: SoundChanges = field(default_factory=SoundChanges)
    average_weights: float = 0.0
    length_window: int = 0
    weight_decay: float = 0.0
    seed: int = 0
    threads: int = 0
    workers: int = 0
    save_every_s: float = 300.0
    save_every_steps: int = 0
    tensorboard: bool = False

    def __post_init__(self) -> None:
        positive(self, "learning_rate", "batch_size", "accumulate", "epochs", "patience")
        for name in (
            "text_learning_rate_factor",
            "attention_learning_rate_factor",
            "gradient_clip",
            "weight_decay",
            "seed",
            "threads",
            "workers",
            "branch_loss",
            "freeze_branches_epochs",
            "length_window",
            "save_every_s",
            "save_every_steps",
        ):
            if getattr(self, name) < 0:
                raise ConfigError(f"{name} is negative", field=name)
        between(self, 0.0, 1.0, "warmup_share")
        between(self, 0.0, 0.9, "label_smoothing")
        between(self, 0.0, 0.99999, "average_weights")
        if self.label_smoothing and self.loss != "choice":
            raise ConfigError("only choice smooths labels", field="label_smoothing", remedy="set loss: choice, or 0 here")
