"""Frames, waveforms and transcripts to what the models are given: face crops, mel chunks, tokens (docs/signals.md)."""
