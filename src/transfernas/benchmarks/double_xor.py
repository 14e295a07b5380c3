"""Double XOR (paper, section 4.1): seven binary states, two interleaved dependencies."""

from ..spaces.choice import Choice
from ..spaces.condition import Config
from ..spaces.problem import Problem
from ..spaces.space import SearchSpace


def double_xor_reward(config: Config) -> float:
    """Returns (a1 xor a5) and (a3 xor a7), as 0.0 or 1.0."""
    return float(config["S1"] != config["S5"] and config["S3"] != config["S7"])


def double_xor() -> Problem:
    """Returns the problem: a chain of the states S1 to S7 with actions 0 and 1."""
    space = SearchSpace("double xor", [Choice(f"S{number}", (0, 1)) for number in range(1, 8)])
    return Problem(space, "double xor", objective=double_xor_reward)
