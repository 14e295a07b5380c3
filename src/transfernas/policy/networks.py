"""The networks to choose from."""

import numpy as np

from .architecture import Architecture, Capacity, Network
from .decoder import Decoder
from .lstm import Lstm
from .policy import Policy
from .transformer import Transformer

NETWORKS: dict[Network, type[Policy]] = {"transformer": Transformer, "decoder": Decoder, "lstm": Lstm}


def draw_policy(rng: np.random.Generator, capacity: Capacity, architecture: Architecture) -> Policy:
    """Draws the network that an architecture says, as NumPy arrays."""
    return NETWORKS[architecture.network].draw(rng, capacity, architecture)
