"""The default proposer bandit: rewards decide who proposes after a transfer, by Thompson sampling.

Thompson sampling (Thompson 1933) chooses the proposer of each trial. An arm's value is the share of comparisons that
its earlier proposals won against the trials of other proposers around them. The fewer and the older these comparisons
are, the less certain is the value. A proposal is not compared with trials of its own proposer. The bandit first draws
between knowledge (the transferred policy and the warm start together), the new policy and exploration, and then between
the two kinds of knowledge: two kinds are no reason to trust knowledge more. The warm start's trials count if they come
from the same earlier problem as its next configuration. So an earlier problem that misleads does not discredit the
other problems.

The warm start proposes the first trial. The new policy proposes one of the first trials, which the others are compared
with. Before that trial only knowledge proposes, because no result speaks against knowledge yet. If no action of a
problem was seen before the transfer, the new policy proposes every trial. So knowledge that misleads costs a few
trials, and knowledge that has nothing more to give makes way.

Shapes: `replicas` run side by side, `problems` are searched, `proposers` are the transferred policy, the new policy,
the warm start, and exploration.
"""

from dataclasses import dataclass
from typing import Annotated

import numpy as np
from jaxtyping import Bool, Float, Int
from scipy.special import ndtr

from ..fields import Limits, Share
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
from .replay import ReplayBuffer
from .scores import Scores

# Not for tuning: these numbers follow from the definition of a share. The settings to tune are in `BanditConfig`.
_NEUTRAL_SHARE = 0.5  # the share of others' trials that an equally good proposal is expected to beat
_SHARE_DEVIATION = 0.3  # the standard deviation of such a share, about that of the uniform distribution


@dataclass(frozen=True, slots=True, kw_only=True)
class BanditConfig(BaseBanditConfig):
    """How rewards decide who proposes: the transferred policy, a new policy, the warm start, or exploration.

    See `learning.thompson`. `warm_start`, `decay` and `exploration` are settings of every proposer bandit.

    Example:
        ```python
        from transfernas import BanditConfig, TrainingConfig, TransferConfig

        TrainingConfig(transfer=TransferConfig(bandit=BanditConfig(warm_start=20)))
        ```

    Attributes:
        warm_start: the number of best configurations from before the transfer that are tried again as they are.
        decay: the factor by which the weight of earlier proposals falls with each trial.
        exploration: how exploring proposals favour new actions. None is without such proposals.
        trust: the initial trust in a transferred policy, and in exploration: the share of others' trials that their
            proposals are expected to beat. That of the new policy is 0.5.
        trust_warm_start: the initial trust in the warm start, as a share like `trust`.
        control: the number of the trial that is the new policy's, whose results the other proposers are compared with.
            Before that trial, only knowledge proposes. 0 is for no such trial.
    """

    trust: Share = 1.0
    trust_warm_start: Share = 1.0
    control: Annotated[int, Limits(0, 10**9)] = 3

    def start(self, replicas: int, problems: int) -> "ProposerBandit":
        """Returns a bandit that has seen no proposal; see `BaseBanditConfig.start`."""
        return ProposerBandit.of(replicas, problems)


@dataclass(frozen=True, slots=True)
class ProposerBandit(Bandit[BanditConfig]):
    """A Thompson-sampling bandit over the proposers; later comparisons weigh more.

    Attributes:
        comparisons: Shape `[replicas, problems, proposers]`, the weight of all comparisons with others' trials.
        wins: Shape `[replicas, problems, proposers]`, the weight of the comparisons that were won; a draw counts half.
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
        """Draws the proposer of the next trial of each replica; see `Bandit.draw`."""
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
        # A disappointing trial of the warm start counts against its own source, and half as much against the others.
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
        """Returns the bandit after a trial of each replica; others' trials change nothing. See `Bandit.update`."""
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
        """Returns the probability that knowledge promises more than the new policy does; see `Bandit.trust`."""

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
        """Returns the policy of each replica with the best proposals over all problems; see `Bandit.best_policy`."""
        comparisons, wins = (array[:, :, :N_POLICIES].sum(axis=1) for array in (self.comparisons, self.wins))
        prior = np.full(N_POLICIES, _NEUTRAL_SHARE)
        prior[TRANSFERRED] = config.trust
        return _expected_share(comparisons, wins, prior).argmax(axis=1)


def _find_control(
    problem: Int[np.ndarray, "replicas"], replay: ReplayBuffer, config: BanditConfig
) -> tuple[Int[np.ndarray, "replicas"], Bool[np.ndarray, "replicas"]]:
    """Returns the number of proposals that were told, and whether a replica must try the new policy now.

    It must if the next trial is the `control` trial, and the new policy proposed none before.
    """
    proposers = [replay.proposer[replica, replay.of(replica, row)] for replica, row in enumerate(problem.tolist())]
    proposed = np.array([np.sum(whose >= 0) for whose in proposers], np.int64)
    tried = np.array([NEW_POLICY in whose for whose in proposers], bool)
    return proposed, (proposed + 1 == config.control) & ~tried


def _sum_by_proposer(
    whose: Int[np.ndarray, "trials"], weights: Float[np.ndarray, "trials"]
) -> Float[np.ndarray, "proposers"]:
    """Returns the sum of the weights of each proposer's trials."""
    return np.bincount(whose[whose >= 0], weights[whose >= 0], N_PROPOSERS).astype(np.float64)  # integers without any


def _expected_share(
    comparisons: Float[np.ndarray, "*shape"], wins: Float[np.ndarray, "*shape"], prior: float | Float[np.ndarray, "who"]
) -> Float[np.ndarray, "*shape"]:
    """Returns the share that the next proposal is expected to beat; the prior counts as one comparison."""
    return (prior + wins) / (1.0 + comparisons)


def _draw_shares(
    comparisons: Float[np.ndarray, "*shape"],
    wins: Float[np.ndarray, "*shape"],
    prior: float | Float[np.ndarray, "who"],
    chance: Float[np.ndarray, "*shape"],
) -> Float[np.ndarray, "*shape"]:
    """Returns a draw of the share that the next proposal beats; `chance` is standard normal."""
    return _expected_share(comparisons, wins, prior) + _SHARE_DEVIATION / np.sqrt(1.0 + comparisons) * chance
