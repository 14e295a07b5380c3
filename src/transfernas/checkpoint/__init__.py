"""The agent's file: a learner as named tensors, checks of the file, and writing whole or not at all."""
