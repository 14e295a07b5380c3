"""Double XOR (paper, section 4.1): seven binary states with two interleaved dependencies, and larger variants."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Int

from transfernas.spaces.choice import Choice
from transfernas.spaces.condition import Config
from transfernas.spaces.problem import Problem
from transfernas.spaces.space import SearchSpace

STATES = 7
PAIRS = ((1, 5), (3, 7))
TASK = "double xor"


def double_xor() -> Problem:
    """Returns the problem: a chain of the states S1 to S7, the reward (a1 xor a5) and (a3 xor a7) as 0.0 or 1.0."""
    return xor_chain().problem


@dataclass(frozen=True, slots=True)
class XorChain:
    """A chain of binary states whose reward is 1 if the actions differ in each of several pairs of states, else 0.

    Attributes:
        problem: The problem.
        pairs: Positions in the chain, from 0, of the states of each pair.
    """

    problem: Problem
    pairs: tuple[tuple[int, int], ...]

    def reward(
        self, action_indices: Int[np.ndarray, "configs choices"], rng: np.random.Generator
    ) -> Float[np.ndarray, "configs"]:
        """Returns the reward of each configuration, without noise."""
        return self.value(action_indices)

    def value(self, action_indices: Int[np.ndarray, "configs choices"]) -> Float[np.ndarray, "configs"]:
        """Returns the reward of each configuration."""
        differ = [action_indices[:, left] != action_indices[:, right] for left, right in self.pairs]
        return np.all(differ, axis=0).astype(float)


def xor_chain(
    states: int = STATES,
    pairs: Sequence[tuple[int, int]] = PAIRS,
    order: Sequence[int] | None = None,
    name: str = "double xor",
) -> XorChain:
    """Returns a chain, by default that of the paper.

    Args:
        states: Number of states, which are named S1, S2 and so on.
        pairs: Pairs of numbers of states, from 1, whose actions must differ.
        order: Numbers of the states in the order of the chain; ascending by default.
        name: Name of the space.
    """
    order = tuple(range(1, states + 1) if order is None else order)
    space = SearchSpace(name, [Choice(f"S{number}", (0, 1)) for number in order])

    def objective(config: Config) -> float:
        return float(all(config[f"S{left}"] != config[f"S{right}"] for left, right in pairs))

    at = {number: position for position, number in enumerate(order)}
    return XorChain(Problem(space, TASK, objective), tuple((at[left], at[right]) for left, right in pairs))
