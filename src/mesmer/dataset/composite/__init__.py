"""The composite corpus: a sentence, a voice and faces that share their labels, from different people."""
