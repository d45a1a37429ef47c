"""From a raw clip, or a whole video, to what is expressed in it."""

from mesmer.analysis.analyze import Analyzer, analyze
from mesmer.analysis.predict import Predictor, predict
from mesmer.analysis.result import Analysis

__all__ = ["Analysis", "Analyzer", "Predictor", "analyze", "predict"]
