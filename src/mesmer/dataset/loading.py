"""From prepared data to batches: the three names that training, evaluation and prediction use."""

from mesmer.dataset.batches import BatchLoader
from mesmer.dataset.collate import collate
from mesmer.dataset.prepared import PreparedDataset, PreparedSplit

__all__ = ["BatchLoader", "PreparedDataset", "PreparedSplit", "collate"]
