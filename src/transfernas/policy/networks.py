"""Registers the networks by the kind of their settings."""

import numpy as np

from .architecture import Capacity, NetworkConfig
from .decoder import Decoder
from .lstm import Lstm
from .policy import Policy
from .transformer import Transformer

NETWORKS: dict[str, type[Policy]] = {"transformer": Transformer, "decoder": Decoder, "lstm": Lstm}


def draw_policy(rng: np.random.Generator, capacity: Capacity, architecture: NetworkConfig) -> Policy:
    """Draws the network of an architecture, as NumPy arrays."""
    return NETWORKS[architecture.kind].draw(rng, capacity, architecture)
