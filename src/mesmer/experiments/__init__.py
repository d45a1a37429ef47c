"""The paper's experiments and others like them: many runs, each in a folder of its own, and one result of all."""
