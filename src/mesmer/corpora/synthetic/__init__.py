"""The synthetic corpus: drawn talking faces, a voice and sentences, made from a seed, with the truth of what was shown."""

from mesmer.corpora.synthetic.generator import make_synthetic, make_utterance, read_truth
from mesmer.corpora.synthetic.plan import EVIDENCE, SIZES

__all__ = ["EVIDENCE", "SIZES", "make_synthetic", "make_utterance", "read_truth"]
