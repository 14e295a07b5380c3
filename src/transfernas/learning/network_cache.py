"""The networks that configurations build, named by the keys of the problems: a search evaluates each network once.

Shapes: `replicas` run side by side.
"""

from collections.abc import Callable, Hashable, Set
from typing import Any

import numpy as np
from jaxtyping import Int

from ..spaces.condition import Config
from ..spaces.encoding import Encoding, put_numbers
from ..spaces.problem import network_of
from .replay import ReplayBuffer

Networks = Set[Hashable]
"""The names of networks, as a problem's key gives them."""


class NetworkCache:
    """The networks that configurations build; the key is asked once for each configuration.

    The content of this cache follows from the problems. So learners that grew from one another share the cache, and no
    file holds it.
    """

    def __init__(self) -> None:
        """Creates a cache without configurations."""
        self._networks: dict[int, dict[int, Hashable]] = {}  # by the row of the problem, then by identity

    def __reduce__(self) -> tuple[Any, ...]:
        """Leaves the content behind, which its owner can compute again."""
        return NetworkCache, ()

    def network(self, encoding: Encoding, row: int, identity: int, config: Callable[[], Config]) -> Hashable:
        """Returns the network that a configuration builds.

        Args:
            encoding: the problems.
            row: the row of the problem, which has a key.
            identity: the number of the configuration, see `replay.identity_of`.
            config: returns the configuration; it is called for an unknown number.

        Raises:
            TypeError: see `network_of`.
        """
        networks = self._networks.setdefault(row, {})
        if identity not in networks:
            networks[identity] = network_of(encoding.problems[row], config())
        return networks[identity]

    def known(
        self,
        encoding: Encoding,
        problem: Int[np.ndarray, "replicas"],
        replay: ReplayBuffer,
        pending: Set[int],
    ) -> tuple[Networks | None, ...]:
        """Returns the networks that each replica evaluated or evaluates; None for a problem without a key.

        Args:
            encoding: the problems.
            problem: Shape `[replicas]`, the row of the problem.
            replay: the trials that were told.
            pending: the `replay.identity_of` of trials that are being evaluated. Those of problems with a key must be
                in the cache.
        """
        return tuple(
            None if encoding.problems[row].key is None else self._of(encoding, replica, row, replay, pending)
            for replica, row in enumerate(problem.tolist())
        )

    def _of(self, encoding: Encoding, replica: int, row: int, replay: ReplayBuffer, pending: Set[int]) -> Networks:
        def config(at: int) -> Config:
            made = encoding.config(row, replay.trials.at((replica, at)))
            return put_numbers(encoding.problems[row].space.choices, made, replay.numbers[replica, at])

        trials = replay.of(replica, row)
        told = zip(replay.identities(replica, trials), trials.tolist(), strict=True)
        found = {self.network(encoding, row, identity, lambda at=at: config(at)) for identity, at in told}  # type: ignore[misc]
        looked_at = self._networks.get(row, {})
        return found | {looked_at[identity] for identity in pending if identity in looked_at}
