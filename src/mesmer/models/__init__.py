"""Models: FE2E and MESM behind one registry, and how they are saved and loaded."""

from mesmer.models.base import EmotionModel
from mesmer.models.registry import MODELS, build_model

__all__ = ["MODELS", "EmotionModel", "build_model"]
