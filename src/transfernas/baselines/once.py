"""Each network once, where a problem has a key: the rule that the baselines share with the agent."""

from collections.abc import Callable, Hashable, Iterable
from typing import NamedTuple

from ..spaces.condition import Action
from ..spaces.problem import Problem, network_of

MAX_DRAWS = 1_000
"""How many valid configurations are drawn for one trial before one of a network that was evaluated is taken."""


class BuiltNetwork(NamedTuple):
    """What a configuration of a problem builds.

    Attributes:
        problem: the names of the problem.
        key: what its key says.
    """

    problem: tuple[str, str]
    key: Hashable


EvaluatedNetworks = frozenset[BuiltNetwork]
"""The networks that were evaluated; none of problems without a key."""


class ProposedConfig(NamedTuple):
    """A configuration to propose.

    Attributes:
        config: the configuration.
        network: what it builds; None where the problem has no key.
    """

    config: dict[str, Action]
    network: BuiltNetwork | None


def build_network(problem: Problem, config: dict[str, Action]) -> BuiltNetwork | None:
    """Returns what a configuration builds; None where the problem has no key."""
    return None if problem.key is None else BuiltNetwork(problem.name, network_of(problem, config))


def draw_new_config(
    problem: Problem,
    draw: Callable[[int], dict[str, Action]],
    evaluated: EvaluatedNetworks,
    pending: Iterable[BuiltNetwork | None],
    most: int = MAX_DRAWS,
) -> ProposedConfig:
    """Draws until a configuration builds a network that was not evaluated and is not being evaluated.

    Without a key the first draw is taken. After `most` draws what comes is taken: all networks may be evaluated.

    Args:
        problem: the problem.
        draw: draws a valid configuration, told how many were drawn in vain.
        evaluated: the networks that were evaluated.
        pending: those that are being evaluated.
        most: how many draws at most.
    """
    open_networks, config = set(pending), draw(0)
    network = build_network(problem, config)
    for refused in range(1, most):
        if network is None or (network not in evaluated and network not in open_networks):
            break
        config = draw(refused)
        network = build_network(problem, config)
    return ProposedConfig(config, network)


def add_network(evaluated: EvaluatedNetworks, network: BuiltNetwork | None) -> EvaluatedNetworks:
    """Returns the networks that were evaluated after one more trial."""
    return evaluated if network is None else evaluated | {network}
