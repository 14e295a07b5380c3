"""Two policies and one search: which of them proposes is found out from the rewards.

After a transfer a policy that knows and one that knows nothing learn from the same trials, whoever proposed them. Each
trial is proposed by the one that promises more, by Thompson sampling (Thompson 1933): a policy's promise is the mean
rank of what it proposed among the trials just before, known the less the fewer they are and the longer ago. So
knowledge that misleads costs a few trials, and knowledge that has nothing more to give makes way.

Shapes: `replicas` run side by side, `problems` searched, `members` are the policies of a replica.
"""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Int

from .config import TrainingConfig
from .history import History

MEMBERS = 2
TRANSFERRED, NEW = range(MEMBERS)

_NEUTRAL = 0.5  # the rank that is expected of a proposal no better than the trials before it
_SPREAD = 0.3  # standard deviation of a rank, about that of the uniform distribution
_RECENT, _FEWEST = 20, 3  # trials to be ranked among: all lie far behind where a search has come to


@dataclass(frozen=True, slots=True)
class Gate:
    """What is known of the members' proposals, later ones weighing more.

    Attributes:
        count: Shape `[replicas, problems, members]`, the weight of all proposals.
        total: Shape `[replicas, problems, members]`, their weighted ranks, from 0 to 1 each.
    """

    count: Float[np.ndarray, "replicas problems members"]
    total: Float[np.ndarray, "replicas problems members"]

    @classmethod
    def of(cls, replicas: int, problems: int) -> "Gate":
        """Returns a gate that has seen no proposal."""
        shape = (replicas, problems, MEMBERS)
        return cls(np.zeros(shape), np.zeros(shape))

    def promise(self, config: TrainingConfig) -> Float[np.ndarray, "replicas problems members"]:
        """Returns the mean rank that is expected of each member's next proposal; what is known at first counts once."""
        prior = np.full(MEMBERS, _NEUTRAL)
        prior[TRANSFERRED] = config.trust
        return (prior + self.total) / (1.0 + self.count)

    def draw(
        self, problem: Int[np.ndarray, "replicas"], rng: np.random.Generator, config: TrainingConfig
    ) -> Int[np.ndarray, "replicas"]:
        """Draws the member of each replica that proposes."""
        here = np.arange(len(problem)), problem
        spread = _SPREAD / np.sqrt(1.0 + self.count[here])
        drawn = self.promise(config)[here] + spread * rng.standard_normal(spread.shape)
        return drawn.argmax(axis=1).astype(np.int32)

    def told(
        self,
        problem: Int[np.ndarray, "replicas"],
        member: Int[np.ndarray, "replicas"],
        reward: Float[np.ndarray, "replicas"],
        history: History,
        config: TrainingConfig,
    ) -> "Gate":
        """Returns the gate after a trial of each replica.

        Args:
            problem: Shape `[replicas]`, row of the problem.
            member: Shape `[replicas]`, who proposed it; -1 for neither, and then nothing changes.
            reward: Shape `[replicas]`.
            history: the trials before it.
            config: `trust_decay`.
        """
        count, total = self.count.copy(), self.total.copy()
        for replica, (row, proposer) in enumerate(zip(problem.tolist(), member.tolist(), strict=True)):
            earlier = history.reward[replica, history.of(replica, row)[-_RECENT:]]
            if proposer < 0 or len(earlier) < _FEWEST:
                continue
            beaten = np.mean(earlier < reward[replica]) + 0.5 * np.mean(earlier == reward[replica])
            count[replica, row] *= config.trust_decay
            total[replica, row] *= config.trust_decay
            count[replica, row, proposer] += 1.0
            total[replica, row, proposer] += beaten
        return Gate(count, total)

    def most_promising(self, config: TrainingConfig) -> Int[np.ndarray, "replicas"]:
        """Returns the member of each replica that promises most over all problems."""
        return self.promise(config).sum(axis=1).argmax(axis=1)

    def selected(self, replica: int) -> "Gate":
        """Returns the gate of one replica alone."""
        return Gate(self.count[replica : replica + 1].copy(), self.total[replica : replica + 1].copy())
