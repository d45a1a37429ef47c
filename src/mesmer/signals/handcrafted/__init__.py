"""Hand-crafted features of the two-phase models (paper section 5.2): action units, acoustics, word vectors."""
