"""How much training faces and training sound are changed, beyond the small changes that are always the same."""

from __future__ import annotations

from dataclasses import dataclass

from mesmer.setting_checks import between


@dataclass(frozen=True, kw_only=True)
class FaceChanges:
    """Changes of all faces of a training utterance alike, each drawn anew in every epoch; with ``train.augment_faces``.

    Attributes:
        turn_degrees: turned by up to so many degrees to either side.
        zoom: made larger or smaller by up to this share.
        erase: in every second utterance a rectangle is made plain, its sides up to this share of the face's.
    """

    turn_degrees: float = 0.0
    zoom: float = 0.0
    erase: float = 0.0

    def __post_init__(self) -> None:
        between(self, 0, 180, "turn_degrees")
        between(self, 0, 0.5, "zoom")
        between(self, 0, 1, "erase")

    @property
    def moves(self) -> bool:
        """Whether pixels change their place."""
        return self.turn_degrees > 0 or self.zoom > 0


@dataclass(frozen=True, kw_only=True)
class SoundChanges:
    """Changes of the sound of a training utterance, drawn anew in every epoch; with ``train.augment_sound``.

    Attributes:
        speed: played faster or slower, and so higher or lower, by up to this share.
        shift_ms: begins up to so much later; 0 is less than one stride.
        noise_snr_db: white noise is added, its power 60 dB to so many dB below the sound's; 0 adds none.
        masks: so many bands of frequencies and so many spans of time are masked (SpecAugment: Park et al., 2019).
        band_share, time_share: share of the bands, and of the utterance, that one mask covers at most.
    """

    speed: float = 0.0
    shift_ms: float = 0.0
    noise_snr_db: float = 0.0
    masks: int = 1
    band_share: float = 0.12
    time_share: float = 0.1

    def __post_init__(self) -> None:
        between(self, 0, 0.5, "speed")
        between(self, 0, 10_000, "shift_ms")
        between(self, 0, 60, "noise_snr_db")
        between(self, 0, 16, "masks")
        between(self, 0, 1, "band_share")
        between(self, 0, 1, "time_share")


NO_FACE_CHANGES, USUAL_SOUND_CHANGES = FaceChanges(), SoundChanges()
