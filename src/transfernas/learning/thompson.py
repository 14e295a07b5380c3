"""The proposer bandit: the rewards decide who proposes after a transfer.

Thompson sampling (Thompson 1933) chooses the proposer of each trial. An arm's value is the share of comparisons that
its earlier proposals won against the trials of other proposers around them. The value is the less certain the fewer and
the older these comparisons are. A proposal is not compared with trials of its own proposer. The bandit first draws
between knowledge (the transferred policy and the warm start together), the new policy and exploration, and then between
the two kinds of knowledge: that there are two is no reason to trust them more. Of the warm start only those trials
count that come from the same earlier problem as its next configuration, so that an earlier problem that misleads does
not discredit the others.

The warm start proposes the first trial. One of the first trials is always the new policy's, so that there is something
to compare with; before it only knowledge proposes, because no result speaks against it yet. If nothing of a problem was
seen before the transfer, the new policy proposes every trial. So knowledge that misleads costs a few trials, and
knowledge that has nothing more to give makes way.

Shapes: `replicas` run side by side, `problems` searched, `proposers` are the transferred policy, the new one, the warm
    start, and exploration.
"""

from dataclasses import dataclass
from typing import Annotated

import numpy as np
from jaxtyping import Bool, Float, Int
from scipy.special import ndtr

from ..fields import Range
from .bandit import (
    EXPLORING,
    N_POLICIES,
    N_PROPOSERS,
    NEW_POLICY,
    RECENT_TRIALS,
    TRANSFERRED,
    WARM_START,
    Bandit,
    BaseBanditConfig,
    SourceRecord,
)
from .ranges import Share
from .replay import ReplayBuffer
from .scores import Scores

# Not for tuning. The first number follows from what a share of comparisons is, the second is about that of any share
# from 0 to 1, and the third says what a comparison is. What may be tuned is in `BanditConfig`.
_NEUTRAL_SHARE = 0.5  # the share of others' trials that a proposal no better than they are is expected to beat
_SHARE_DEVIATION = 0.3  # standard deviation of such a share, about that of the uniform distribution


@dataclass(frozen=True, slots=True, kw_only=True)
class BanditConfig(BaseBanditConfig):
    """How rewards decide who proposes: the transferred policy, a new one, the warm start, or exploration.

    See `learning.thompson`. `warm_start`, `decay` and `exploration` are settings of every proposer bandit.

    Example:
        ```python
        TrainingConfig(transfer=TransferConfig(bandit=BanditConfig(warm_start=20)))
        ```

    Attributes:
        warm_start: the number of configurations that were best before the transfer and are remembered, to be tried
            again as they are.
        decay: the factor by which the weight of earlier proposals falls with each trial.
        exploration: how exploring proposals favour new actions. None is without such proposals.
        trust: the initial trust in a transferred policy, and in exploration: the share of others' trials that their
            proposals are expected to beat. That of the new policy is 0.5.
        trust_warm_start: the initial trust in the warm start, as a share like `trust`.
        control: the number of the trial that is the new policy's, if it proposed none before. The other proposers are
            compared with its results. Only knowledge proposes before that trial. 0 is for neither.
    """

    trust: Share = 1.0
    trust_warm_start: Share = 1.0
    control: Annotated[int, Range(0, 10**9)] = 3

    def start(self, replicas: int, problems: int) -> "ProposerBandit":
        """Returns a bandit that has seen no proposal; see `BaseBanditConfig.start`."""
        return ProposerBandit.of(replicas, problems)


@dataclass(frozen=True, slots=True)
class ProposerBandit(Bandit[BanditConfig]):
    """A Thompson-sampling bandit over the proposers; later comparisons weigh more.

    Attributes:
        comparisons: Shape `[replicas, problems, proposers]`, the weight of all comparisons with others' trials.
        wins: Shape `[replicas, problems, proposers]`, the weight of those that were won; a draw is half of one.
    """

    comparisons: Float[np.ndarray, "replicas problems proposers"]
    wins: Float[np.ndarray, "replicas problems proposers"]

    @classmethod
    def of(cls, replicas: int, problems: int) -> "ProposerBandit":
        """Returns a proposer bandit that has seen no proposal."""
        shape = (replicas, problems, N_PROPOSERS)
        return cls(np.zeros(shape), np.zeros(shape))

    def draw(
        self,
        problem: Int[np.ndarray, "replicas"],
        seen: Bool[np.ndarray, "replicas"],
        source_record: SourceRecord,
        has_unseen: Bool[np.ndarray, "replicas"],
        replay: ReplayBuffer,
        rng: np.random.Generator,
        config: BanditConfig,
    ) -> Int[np.ndarray, "replicas"]:
        """Draws who proposes for each replica.

        Args:
            problem: Shape `[replicas]`, row of the problem.
            seen: Shape `[replicas]`, whether anything of the problem was seen before.
            source_record: what is known of the earlier problem whose trial the warm start would try next.
            has_unseen: Shape `[replicas]`, whether there is something new in what is known.
            replay: the trials so far.
            rng: for the draws.
            config: `trust`, `trust_warm_start` and `control`.
        """
        here = np.arange(len(problem)), problem
        comparisons, wins = self.comparisons[here], self.wins[here]
        chance = rng.standard_normal((1 + N_PROPOSERS, len(problem)))
        prior = np.empty(N_PROPOSERS)
        prior[[TRANSFERRED, NEW_POLICY, WARM_START, EXPLORING]] = (
            config.trust,
            _NEUTRAL_SHARE,
            config.trust_warm_start,
            config.trust,
        )
        # What disappoints speaks against its own source, and half as much against the others.
        for told, its in ((comparisons, source_record.comparisons), (wins, source_record.wins)):
            told[:, WARM_START] = its + 0.5 * np.maximum(told[:, WARM_START] - its, 0.0)
        each = _draw_shares(comparisons, wins, prior, chance[:N_PROPOSERS].T)
        both = [TRANSFERRED, WARM_START]
        knowledge = _draw_shares(
            comparisons[:, both].sum(axis=1), wins[:, both].sum(axis=1), config.trust, chance[N_PROPOSERS]
        )
        transferred, new, warm_start = (each[:, who] for who in (TRANSFERRED, NEW_POLICY, WARM_START))
        exploration = np.where(has_unseen, each[:, EXPLORING], -np.inf)
        known = np.where(source_record.has_next & (warm_start > transferred), WARM_START, TRANSFERRED)
        proposer = np.where(new >= knowledge, NEW_POLICY, known)
        proposer = np.where(exploration > np.maximum(knowledge, new), EXPLORING, proposer)
        proposed, control = _find_control(problem, replay, config)
        proposer = np.where(proposed + 1 < config.control, known, proposer)
        proposer = np.where(source_record.has_next & (proposed == 0), WARM_START, proposer)
        return np.where(~seen | control, NEW_POLICY, proposer).astype(np.int32)

    def update(
        self,
        problem: Int[np.ndarray, "replicas"],
        proposer: Int[np.ndarray, "replicas"],
        scores: Scores,
        replay: ReplayBuffer,
        config: BanditConfig,
    ) -> "ProposerBandit":
        """Returns the proposer bandit after a trial of each replica.

        Args:
            problem: Shape `[replicas]`, row of the problem.
            proposer: Shape `[replicas]`, who proposed it; -1 for none of them, and then nothing changes.
            scores: Shape `[replicas]`.
            replay: the trials before it.
            config: `decay`.
        """
        comparisons, wins = self.comparisons.copy(), self.wins.copy()
        for replica, (row, who) in enumerate(zip(problem.tolist(), proposer.tolist(), strict=True)):
            recent = replay.of(replica, row)[-RECENT_TRIALS:]
            if who < 0 or not len(recent):
                continue
            earlier, whose = replay.scores.at((replica, recent)), replay.proposer[replica, recent]
            above, below = scores.at(replica).above(earlier), earlier.above(scores.at(replica))
            beaten = 0.5 + 0.5 * (above.astype(np.float64) - below)
            faced, won = (_sum_by_proposer(whose, weights) / len(recent) for weights in (np.ones(len(recent)), beaten))
            faced[who] = won[who] = 0.0
            comparisons[replica, row] *= config.decay
            wins[replica, row] *= config.decay
            comparisons[replica, row] += faced
            wins[replica, row] += faced - won
            comparisons[replica, row, who] += faced.sum()
            wins[replica, row, who] += won.sum()
        return ProposerBandit(comparisons, wins)

    def trust(self, config: BanditConfig) -> Float[np.ndarray, "replicas problems"]:
        """Returns how likely it is that knowledge promises more than the new policy does, where both are drawn.

        Args:
            config: `trust`.
        """

        def promise(who: list[int], prior: float) -> tuple[Float[np.ndarray, "..."], Float[np.ndarray, "..."]]:
            comparisons, wins = self.comparisons[..., who].sum(axis=-1), self.wins[..., who].sum(axis=-1)
            return _expected_share(comparisons, wins, prior), _SHARE_DEVIATION**2 / (1.0 + comparisons)

        (known, its), (new, other) = (
            promise([TRANSFERRED, WARM_START], config.trust),
            promise([NEW_POLICY], _NEUTRAL_SHARE),
        )
        likely: Float[np.ndarray, "replicas problems"] = ndtr((known - new) / np.sqrt(its + other))
        return likely

    def best_policy(self, config: BanditConfig) -> Int[np.ndarray, "replicas"]:
        """Returns the policy of each replica whose proposals did best over all problems."""
        comparisons, wins = (array[:, :, :N_POLICIES].sum(axis=1) for array in (self.comparisons, self.wins))
        prior = np.full(N_POLICIES, _NEUTRAL_SHARE)
        prior[TRANSFERRED] = config.trust
        return _expected_share(comparisons, wins, prior).argmax(axis=1)


def _find_control(
    problem: Int[np.ndarray, "replicas"], replay: ReplayBuffer, config: BanditConfig
) -> tuple[Int[np.ndarray, "replicas"], Bool[np.ndarray, "replicas"]]:
    """Returns how many proposals were told, and which replicas are to try the new policy.

    These are those for which it is time, and whose new policy proposed none of the trials so far.
    """
    proposers = [replay.proposer[replica, replay.of(replica, row)] for replica, row in enumerate(problem.tolist())]
    proposed = np.array([np.sum(whose >= 0) for whose in proposers], np.int64)
    tried = np.array([NEW_POLICY in whose for whose in proposers], bool)
    return proposed, (proposed + 1 == config.control) & ~tried


def _sum_by_proposer(
    whose: Int[np.ndarray, "trials"], weights: Float[np.ndarray, "trials"]
) -> Float[np.ndarray, "proposers"]:
    """Returns the sum of the weights of each proposer's trials."""
    return np.bincount(whose[whose >= 0], weights[whose >= 0], N_PROPOSERS).astype(np.float64)  # whole if there is none


def _expected_share(
    comparisons: Float[np.ndarray, "*shape"], wins: Float[np.ndarray, "*shape"], prior: float | Float[np.ndarray, "who"]
) -> Float[np.ndarray, "*shape"]:
    """Returns the share that the next proposal is expected to beat; what is expected at first counts as one."""
    return (prior + wins) / (1.0 + comparisons)


def _draw_shares(
    comparisons: Float[np.ndarray, "*shape"],
    wins: Float[np.ndarray, "*shape"],
    prior: float | Float[np.ndarray, "who"],
    chance: Float[np.ndarray, "*shape"],
) -> Float[np.ndarray, "*shape"]:
    """Returns a draw of that share, from what is known of it; `chance` is standard normal."""
    return _expected_share(comparisons, wins, prior) + _SHARE_DEVIATION / np.sqrt(1.0 + comparisons) * chance
