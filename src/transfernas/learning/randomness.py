"""Random numbers, drawn on the host and handed to the compiled functions as arguments.

Every draw has a generator of its own, found from the seed, what the draw is for, and counts that only grow. So there is
no state to save but the seed, no draw depends on the order in which trials are told, and the compiled functions are
free of random number code, which took a third of their time to compile.
"""

import enum

import numpy as np


class Purpose(enum.IntEnum):
    """What a draw is for; the numbers are part of what makes a seed reproducible."""

    WEIGHTS = 0
    PROBLEM = 1
    ACTIONS = 2
    QUEUE = 3
    TRANSFER = 4
    REPLICA = 5
    REWARD = 6
    BOOTSTRAP = 7
    TUNING = 8
    PAIRS = 9
    NEW_POLICY = 10
    WARM_START = 11
    GROWTH = 12
    VALUE = 13
    STUDIES = 14
    REHEARSAL = 15
    STUDIED_PAIRS = 16
    SURROGATE = 17
    BELIEFS = 18


def generator(seed: int, purpose: Purpose, *counts: int) -> np.random.Generator:
    """Returns the generator of one draw.

    Args:
        seed: of the search, not negative.
        purpose: what the draw is for.
        *counts: which of the draws it is, for example the number of the trial.
    """
    # As spawn key, uses and counts are kept apart from the seed, however large it is.
    return np.random.Generator(np.random.Philox(np.random.SeedSequence(seed, spawn_key=(int(purpose), *counts))))


def derived_seed(seed: int, purpose: Purpose, *counts: int) -> int:
    """Returns a seed for something that a search starts, such as the agent after a transfer."""
    return int(generator(seed, purpose, *counts).integers(2**63))
