"""Two policies and one search: which of them proposes is found out from the rewards.

After a transfer a policy that knows and one that knows nothing learn from the same trials, whoever proposed them; each
trial is proposed by one, drawn by its share of trust. A proposal that did better than most trials before it earns
trust, one that did worse loses it (exponential weights for bandits, Auer et al. 2002, on ranks). So knowledge that
misleads costs a few trials, and knowledge that has nothing more to give makes way.

Shapes: `replicas` run side by side, `problems` searched, `members` are the policies of a replica.
"""

import dataclasses
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Int

from .history import History

MEMBERS = 2
FLOOR = 0.1
"""This share of the trials is drawn among the members without regard to trust: none is given up for good."""

_LARGEST = 2.0  # of the gain of one trial; a rare proposer's, divided by its small share, would decide alone
_FEWEST = 3  # trials to be ranked among


@dataclass(frozen=True, slots=True)
class Gate:
    """How far each member is trusted.

    Attributes:
        log_weight: Shape `[replicas, problems, members]`; the first member is the one that was transferred.
    """

    log_weight: Float[np.ndarray, "replicas problems members"]

    @classmethod
    def of(cls, replicas: int, problems: int, trust: float) -> "Gate":
        """Returns a gate at which the transferred policy has a share of trust."""
        log_weight = np.log(np.array([trust, 1.0 - trust]))
        return cls(np.broadcast_to(log_weight, (replicas, problems, MEMBERS)).copy())

    def shares(self, problem: Int[np.ndarray, "replicas"]) -> Float[np.ndarray, "replicas members"]:
        """Returns how often each member proposes for a problem."""
        weight = self.log_weight[np.arange(len(problem)), problem]
        weight = np.exp(weight - weight.max(axis=1, keepdims=True))
        return (1 - FLOOR) * weight / weight.sum(axis=1, keepdims=True) + FLOOR / weight.shape[1]

    def draw(self, problem: Int[np.ndarray, "replicas"], rng: np.random.Generator) -> Int[np.ndarray, "replicas"]:
        """Draws the member of each replica that proposes."""
        return (rng.random(len(problem)) >= self.shares(problem)[:, 0]).astype(np.int32)

    def told(
        self,
        problem: Int[np.ndarray, "replicas"],
        member: Int[np.ndarray, "replicas"],
        reward: Float[np.ndarray, "replicas"],
        history: History,
        rate: float,
    ) -> "Gate":
        """Returns the gate after a trial of each replica.

        Args:
            problem: Shape `[replicas]`, row of the problem.
            member: Shape `[replicas]`, who proposed it; -1 for neither, and then nothing changes.
            reward: Shape `[replicas]`.
            history: the trials before it.
            rate: how much trust a trial moves.
        """
        log_weight, shares = self.log_weight.copy(), self.shares(problem)
        for replica, (row, proposer) in enumerate(zip(problem.tolist(), member.tolist(), strict=True)):
            earlier = history.reward[replica, history.of(replica, row)]
            if proposer < 0 or len(earlier) < _FEWEST:
                continue
            beaten = np.mean(earlier < reward[replica]) + 0.5 * np.mean(earlier == reward[replica])
            gain = (beaten - 0.5) / shares[replica, proposer]
            log_weight[replica, row, proposer] += rate * np.clip(gain, -_LARGEST, _LARGEST)
        return dataclasses.replace(self, log_weight=log_weight)

    def most_trusted(self) -> Int[np.ndarray, "replicas"]:
        """Returns the member of each replica that has most trust over all problems."""
        return self.log_weight.sum(axis=1).argmax(axis=1)

    def selected(self, replica: int) -> "Gate":
        """Returns the gate of one replica alone."""
        return Gate(self.log_weight[replica : replica + 1].copy())
