"""Random numbers, drawn on the host and handed to the compiled functions as arguments.

Every draw has a generator of its own, made from the seed, the purpose of the draw, and counts that only grow. So the
seed is the only state to save, and no draw depends on the order in which trials are told. The compiled functions have
no code for random numbers, which took a third of their time to compile.
"""

import enum

import numpy as np


class Purpose(enum.IntEnum):
    """The purpose of a draw. With other numbers, the same seed would give other draws."""

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
    FAILURE = 19


def generator(seed: int, purpose: Purpose, *counts: int) -> np.random.Generator:
    """Returns the generator of one draw.

    Args:
        seed: the seed of the search, not negative.
        purpose: the purpose of the draw.
        *counts: the numbers of the draw, for example the number of the trial.
    """
    # As spawn key, the purpose and the counts are kept apart from the seed, however large the seed is.
    return np.random.Generator(np.random.Philox(np.random.SeedSequence(seed, spawn_key=(int(purpose), *counts))))


def derived_seed(seed: int, purpose: Purpose, *counts: int) -> int:
    """Returns a seed for a part of a search, such as the agent after a transfer; see `generator`."""
    return int(generator(seed, purpose, *counts).integers(2**63))
