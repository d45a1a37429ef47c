"""Compiled CPU kernels, built on first use where a compiler and AVX2 or AVX-512 are found; all works without them."""

from mesmer.nn.native.kernels import Kernels, StemWeights, native_kernels

__all__ = ["Kernels", "StemWeights", "native_kernels"]
