"""Knowledge or none: who proposes after a transfer is found out from the rewards.

A policy that knows and one that knows nothing learn from the same trials, whoever proposed them; the memory of what was
best before the transfer can propose as well; and so can curiosity, where there is something new in what is known: it
is the policy that knows, with the new actions favoured. Each trial is proposed by the one that promises more, by
Thompson sampling (Thompson 1933). A promise is the share of comparisons that earlier proposals won against the trials
of others around them, known the less the fewer they are and the longer ago; against trials of its own proposer a
proposal wins every other time, however good both are. First it is drawn between knowledge, whichever, the new policy
and curiosity, then between the transferred policy and the memory: that there are two kinds of knowledge is no reason to
trust it more. Of the memory only those trials count that come from the same earlier problem as the one that would be
tried next: one that disappoints loses its say, the others keep theirs. The first trial is the memory's: what was best
before. One of the first trials is always the new policy's, to have something to compare with. Before that trial
only knowledge proposes, because no result speaks against it yet. Where nothing of a problem was met before, the new
policy proposes every trial. So knowledge that misleads costs a few trials, and knowledge that has nothing more to give
makes way.

Shapes: `replicas` run side by side, `problems` searched, `proposers` are the transferred policy, the new one, the
memory, and curiosity.
"""

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from jaxtyping import Bool, Float, Int
from scipy.special import ndtr

from .config import GateConfig
from .history import History
from .scores import Scores

PROPOSERS = 4
TRANSFERRED, NEW, MEMORY, CURIOUS = range(PROPOSERS)
POLICIES = 2
"""The first so many proposers are policies."""

POLICY = np.array([TRANSFERRED, NEW, TRANSFERRED, TRANSFERRED], np.int32)
"""The policy that each proposer draws from; the memory draws from none."""

# Not for tuning. The first number follows from what a share of comparisons is, the second is about that of any share
# from 0 to 1, and the third says what a comparison is. What may be tuned is in `GateConfig`.
_NEUTRAL = 0.5  # the share of others' trials that a proposal no better than they are is expected to beat
_SPREAD = 0.3  # standard deviation of such a share, about that of the uniform distribution
RECENT = 20
"""So many trials are compared with: all lie far behind where a search has come to."""


class Record(NamedTuple):
    """What is known of the earlier problem whose trial the memory would try next.

    Attributes:
        there: Shape `[replicas]`, whether the memory has something left to try.
        weight: Shape `[replicas]`, of the trials that came from that problem.
        won: Shape `[replicas]`, what share of others' trials these beat, by their weights.
    """

    there: Bool[np.ndarray, "replicas"]
    weight: Float[np.ndarray, "replicas"]
    won: Float[np.ndarray, "replicas"]


@dataclass(frozen=True, slots=True)
class Gate:
    """What is known of proposals, later ones weighing more.

    Attributes:
        count: Shape `[replicas, problems, proposers]`, the weight of all comparisons with others' trials.
        total: Shape `[replicas, problems, proposers]`, the weight of those that were won; a draw is half of one.
    """

    count: Float[np.ndarray, "replicas problems proposers"]
    total: Float[np.ndarray, "replicas problems proposers"]

    @classmethod
    def of(cls, replicas: int, problems: int) -> "Gate":
        """Returns a gate that has seen no proposal."""
        shape = (replicas, problems, PROPOSERS)
        return cls(np.zeros(shape), np.zeros(shape))

    def draw(
        self,
        problem: Int[np.ndarray, "replicas"],
        met: Bool[np.ndarray, "replicas"],
        remembered: Record,
        curious: Bool[np.ndarray, "replicas"],
        history: History,
        rng: np.random.Generator,
        config: GateConfig,
    ) -> Int[np.ndarray, "replicas"]:
        """Draws who proposes for each replica.

        Args:
            problem: Shape `[replicas]`, row of the problem.
            met: Shape `[replicas]`, whether anything of the problem was met before.
            remembered: what is known of the earlier problem whose trial the memory would try next.
            curious: Shape `[replicas]`, whether there is something new in what is known.
            history: the trials so far.
            rng: for the draws.
            config: `trust`, `trust_memory` and `control`.
        """
        here = np.arange(len(problem)), problem
        count, total = self.count[here], self.total[here]
        chance = rng.standard_normal((1 + PROPOSERS, len(problem)))
        prior = np.empty(PROPOSERS)
        prior[[TRANSFERRED, NEW, MEMORY, CURIOUS]] = config.trust, _NEUTRAL, config.trust_memory, config.trust
        # What disappoints speaks against its own source, and half as much against the others.
        for told, its in ((count, remembered.weight), (total, remembered.won)):
            told[:, MEMORY] = its + 0.5 * np.maximum(told[:, MEMORY] - its, 0.0)
        each = _drawn(count, total, prior, chance[:PROPOSERS].T)
        both = [TRANSFERRED, MEMORY]
        knowledge = _drawn(count[:, both].sum(axis=1), total[:, both].sum(axis=1), config.trust, chance[PROPOSERS])
        transferred, new, memory = (each[:, who] for who in (TRANSFERRED, NEW, MEMORY))
        curiosity = np.where(curious, each[:, CURIOUS], -np.inf)
        known = np.where(remembered.there & (memory > transferred), MEMORY, TRANSFERRED)
        member = np.where(new >= knowledge, NEW, known)
        member = np.where(curiosity > np.maximum(knowledge, new), CURIOUS, member)
        proposed, control = _control(problem, history, config)
        member = np.where(proposed + 1 < config.control, known, member)
        member = np.where(remembered.there & (proposed == 0), MEMORY, member)
        return np.where(~met | control, NEW, member).astype(np.int32)

    def told(
        self,
        problem: Int[np.ndarray, "replicas"],
        member: Int[np.ndarray, "replicas"],
        scores: Scores,
        history: History,
        config: GateConfig,
    ) -> "Gate":
        """Returns the gate after a trial of each replica.

        Args:
            problem: Shape `[replicas]`, row of the problem.
            member: Shape `[replicas]`, who proposed it; -1 for none of them, and then nothing changes.
            scores: Shape `[replicas]`.
            history: the trials before it.
            config: `decay`.
        """
        count, total = self.count.copy(), self.total.copy()
        for replica, (row, proposer) in enumerate(zip(problem.tolist(), member.tolist(), strict=True)):
            recent = history.of(replica, row)[-RECENT:]
            if proposer < 0 or not len(recent):
                continue
            earlier, whose = history.scores.at((replica, recent)), history.member[replica, recent]
            above, below = scores.at(replica).above(earlier), earlier.above(scores.at(replica))
            beaten = 0.5 + 0.5 * (above.astype(np.float64) - below)
            faced, won = (_by_proposer(whose, weights) / len(recent) for weights in (np.ones(len(recent)), beaten))
            faced[proposer] = won[proposer] = 0.0
            count[replica, row] *= config.decay
            total[replica, row] *= config.decay
            count[replica, row] += faced
            total[replica, row] += faced - won
            count[replica, row, proposer] += faced.sum()
            total[replica, row, proposer] += won.sum()
        return Gate(count, total)

    def trust(self, config: GateConfig) -> Float[np.ndarray, "replicas problems"]:
        """Returns how likely it is that knowledge promises more than the new policy does, where both are drawn.

        Args:
            config: `trust`.
        """

        def promise(who: list[int], prior: float) -> tuple[Float[np.ndarray, "..."], Float[np.ndarray, "..."]]:
            count, total = self.count[..., who].sum(axis=-1), self.total[..., who].sum(axis=-1)
            return _mean(count, total, prior), _SPREAD**2 / (1.0 + count)

        (known, its), (new, other) = promise([TRANSFERRED, MEMORY], config.trust), promise([NEW], _NEUTRAL)
        likely: Float[np.ndarray, "replicas problems"] = ndtr((known - new) / np.sqrt(its + other))
        return likely

    def most_promising(self, config: GateConfig) -> Int[np.ndarray, "replicas"]:
        """Returns the policy of each replica whose proposals did best over all problems."""
        count, total = (array[:, :, :POLICIES].sum(axis=1) for array in (self.count, self.total))
        prior = np.full(POLICIES, _NEUTRAL)
        prior[TRANSFERRED] = config.trust
        return _mean(count, total, prior).argmax(axis=1)

    def selected(self, replica: int) -> "Gate":
        """Returns the gate of one replica alone."""
        return Gate(self.count[replica : replica + 1].copy(), self.total[replica : replica + 1].copy())


def _control(
    problem: Int[np.ndarray, "replicas"], history: History, config: GateConfig
) -> tuple[Int[np.ndarray, "replicas"], Bool[np.ndarray, "replicas"]]:
    """Returns how many proposals were told, and which replicas are to try the new policy.

    These are those for which it is time, and whose new policy proposed none of the trials so far.
    """
    members = [history.member[replica, history.of(replica, row)] for replica, row in enumerate(problem.tolist())]
    proposed = np.array([np.sum(whose >= 0) for whose in members], np.int64)
    tried = np.array([NEW in whose for whose in members], bool)
    return proposed, (proposed + 1 == config.control) & ~tried


def _by_proposer(
    whose: Int[np.ndarray, "trials"], weights: Float[np.ndarray, "trials"]
) -> Float[np.ndarray, "proposers"]:
    """Returns the sum of the weights of each proposer's trials."""
    return np.bincount(whose[whose >= 0], weights[whose >= 0], PROPOSERS).astype(np.float64)  # whole if there is none


def _mean(
    count: Float[np.ndarray, "*shape"], total: Float[np.ndarray, "*shape"], prior: float | Float[np.ndarray, "who"]
) -> Float[np.ndarray, "*shape"]:
    """Returns the share that the next proposal is expected to beat; what is expected at first counts as one."""
    return (prior + total) / (1.0 + count)


def _drawn(
    count: Float[np.ndarray, "*shape"],
    total: Float[np.ndarray, "*shape"],
    prior: float | Float[np.ndarray, "who"],
    chance: Float[np.ndarray, "*shape"],
) -> Float[np.ndarray, "*shape"]:
    """Returns a draw of that share, from what is known of it; `chance` is standard normal."""
    return _mean(count, total, prior) + _SPREAD / np.sqrt(1.0 + count) * chance
