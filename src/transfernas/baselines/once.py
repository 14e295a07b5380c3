"""Proposes each network once if a problem has a key; the baselines share this rule with the agent."""

from collections.abc import Callable, Hashable, Iterable
from typing import NamedTuple

from ..spaces.condition import Action
from ..spaces.problem import Problem, network_of

MAX_DRAWS = 1_000
"""Largest number of valid configurations drawn for a trial; the last is taken even if its network was evaluated."""


class BuiltNetwork(NamedTuple):
    """A network that a configuration of a problem builds.

    Attributes:
        problem: Names of the space and of the task.
        key: Value of the problem's key.
    """

    problem: tuple[str, str]
    key: Hashable


EvaluatedNetworks = frozenset[BuiltNetwork]
"""Networks that were evaluated, of problems with a key."""


def build_network(problem: Problem, config: dict[str, Action]) -> BuiltNetwork | None:
    """Returns the network of a configuration; None if the problem has no key."""
    return None if problem.key is None else BuiltNetwork(problem.name, network_of(problem, config))


def draw_new_config(
    problem: Problem,
    draw: Callable[[int], dict[str, Action]],
    evaluated: EvaluatedNetworks,
    pending: Iterable[BuiltNetwork | None],
    most: int = MAX_DRAWS,
) -> tuple[dict[str, Action], BuiltNetwork | None]:
    """Draws configurations until the network is neither evaluated nor pending.

    Without a key, the first draw is returned. If all `most` draws are refused, the last is returned, because all
    networks may be evaluated.

    Args:
        problem: The problem.
        draw: Function from the number of refused draws to a valid configuration.
        evaluated: Networks that were evaluated.
        pending: Networks that are being evaluated.
        most: Largest number of draws.

    Returns:
        The configuration to propose, and its network; None if the problem has no key.
    """
    open_networks, config = set(pending), draw(0)
    network = build_network(problem, config)
    for refused in range(1, most):
        if network is None or (network not in evaluated and network not in open_networks):
            break
        config = draw(refused)
        network = build_network(problem, config)
    return config, network


def add_network(evaluated: EvaluatedNetworks, network: BuiltNetwork | None) -> EvaluatedNetworks:
    """Returns the evaluated networks together with the network of a new trial."""
    return evaluated if network is None else evaluated | {network}
