"""An agent's file: what it holds as named tensors, its checks, and files that are written whole or not at all."""
