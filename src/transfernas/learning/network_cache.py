"""What configurations build, as the keys of the problems say: two of one network are one configuration to a search.

Shapes: `replicas` run side by side.
"""

from collections.abc import Callable, Hashable, Set
from typing import Any

import jax
import numpy as np
from jaxtyping import Int, UInt64

from ..spaces.condition import Config
from ..spaces.encoding import Encoding
from ..spaces.problem import network_of
from .replay import ReplayBuffer

Networks = Set[Hashable]
"""What was built, as a problem's key says it."""


class NetworkCache:
    """What configurations build; each is looked at once.

    This is a cache: what it holds follows from the problems, so learners that grew from one another share it, and no
    file holds it.
    """

    def __init__(self) -> None:
        """Creates a cache that knows of no configuration."""
        self._networks: dict[int, dict[int, Hashable]] = {}  # of each row, by key

    def __reduce__(self) -> tuple[Any, ...]:
        """Leaves what it holds behind, which its owner finds again."""
        return NetworkCache, ()

    def network(self, encoding: Encoding, row: int, fingerprint: int, config: Callable[[], Config]) -> Hashable:
        """Returns what a configuration builds.

        Args:
            encoding: the problems.
            row: of the problem, which has a key.
            fingerprint: what the configuration is known by, see `replay.fingerprints`.
            config: returns the configuration.

        Raises:
            TypeError: see `network_of`.
        """
        networks = self._networks.setdefault(row, {})
        if fingerprint not in networks:
            networks[fingerprint] = network_of(encoding.problems[row], config())
        return networks[fingerprint]

    def known(
        self,
        encoding: Encoding,
        problem: Int[np.ndarray, "replicas"],
        replay: ReplayBuffer,
        pending: UInt64[np.ndarray, "pending"],
    ) -> tuple[Networks | None, ...]:
        """Returns the networks that each replica evaluated or evaluates; None where the problem has no key.

        Args:
            encoding: the problems.
            problem: Shape `[replicas]`, row of the problem.
            replay: the trials that were told.
            pending: the `replay.fingerprints` of trials that are being evaluated; those of problems with a key must
                have been looked at.
        """
        evaluated = set(pending.tolist())
        return tuple(
            None if encoding.problems[row].key is None else self._of(encoding, replica, row, replay, evaluated)
            for replica, row in enumerate(problem.tolist())
        )

    def _of(self, encoding: Encoding, replica: int, row: int, replay: ReplayBuffer, pending: Set[int]) -> Networks:
        def config(at: int) -> Config:
            return encoding.config(row, jax.tree.map(lambda leaf: leaf[replica, at], replay.trials))

        trials = replay.of(replica, row)
        told = zip(replay.fingerprint[replica, trials].tolist(), trials.tolist(), strict=True)
        found = {self.network(encoding, row, fingerprint, lambda at=at: config(at)) for fingerprint, at in told}  # type: ignore[misc]
        looked_at = self._networks.get(row, {})
        return found | {looked_at[fingerprint] for fingerprint in pending if fingerprint in looked_at}
