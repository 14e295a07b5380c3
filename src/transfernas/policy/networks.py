"""Registers the networks by the kind of their settings."""

import numpy as np

from .architecture import Capacity, NetworkConfig
from .decoder import Decoder
from .lstm import Lstm
from .policy import Policy
from .transformer import Transformer

NETWORKS: dict[str, type[Policy]] = {"transformer": Transformer, "decoder": Decoder, "lstm": Lstm}


def draw_policy(rng: np.random.Generator, capacity: Capacity, architecture: NetworkConfig) -> Policy:
    """Draws the network of an architecture as NumPy arrays, so that the draw needs no compilation."""
    network = NETWORKS[architecture.kind]
    drawn = {name: tensor.draw(rng) for name, tensor in network.initial(capacity, architecture).items()}
    return network.build(drawn, architecture)
