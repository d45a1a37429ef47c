"""From a raw clip to what is expressed in it."""

from mesmer.analysis.predict import Predictor, predict

__all__ = ["Predictor", "predict"]
