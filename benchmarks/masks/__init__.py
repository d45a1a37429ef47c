"""Studies of the learnt mask: one modality alone, real data, masks compared at equal density."""
