"""Pairs of a better and a worse trial, from which a policy learns by preferences."""

from typing import NamedTuple, Protocol, runtime_checkable

import numpy as np
from jaxtyping import Bool, Float, Int

from ..arrays import AnyArray
from ..spaces.trajectory import Trajectory
from .replay import ReplayBuffer
from .rule import NewEmbedding

# Not for tuning: the setting to tune is `Preferences.imitation`, the weight of all imitation.
_SHARPNESS = 3  # the best trial is imitated most, and a trial in the middle of the good ones an eighth as much


@runtime_checkable
class PairConfig(Protocol):
    """The settings of `Preferences` that say how pairs are drawn; their descriptions are there."""

    @property
    def updates(self) -> int:
        """The number of batches."""

    @property
    def pairs(self) -> int:
        """The largest number of pairs in a batch."""

    @property
    def good_share(self) -> float:
        """The share of a problem's trials that count as good."""

    @property
    def good_most(self) -> int:
        """The largest number of trials of a problem that count as good."""

    @property
    def imitation(self) -> float:
        """The weight of the likelihood of good trials that others proposed."""

    def most_steps(self, grows: bool) -> int:
        """Returns the largest number of padded steps of a batch's better trials, over the policies of a replica."""


class Pairs(NamedTuple):
    """Batches of pairs of trials of one problem, one batch for each step of the optimiser.

    Attributes:
        better: Shape `[updates, pairs, ...]`, the better trials.
        worse: Shape `[updates, pairs, ...]`, the worse trials.
        weight: Shape `[updates, pairs]`, 1, or 0 if the two trials are equally good.
        imitation: Shape `[updates, pairs]`, the weight of the likelihood of the better trial.
        unknown: Shape `[updates]`, whether the trials of a batch count as those of a task that was never seen.
    """

    better: Trajectory
    worse: Trajectory
    weight: Float[AnyArray, "*batch"]
    imitation: Float[AnyArray, "*batch"]
    unknown: Bool[AnyArray, "*updates"]


def draw_pairs(
    replay: ReplayBuffer,
    problem: Int[np.ndarray, "replicas"],
    rng: np.random.Generator,
    rule: PairConfig,
    policies: int = 1,
    steps: int | None = None,
    grows: bool = False,
    new_task: NewEmbedding = "random",
    others: Bool[np.ndarray, "replicas"] | None = None,
) -> Pairs:
    """Draws pairs for each policy of each replica from the replica's trials of a problem.

    Leaves have the policies first, those of a replica side by side.

    The better trial is uniform among the good trials (`rule.good_share` of all, at most `rule.good_most`). The worse
    trial is uniform among the trials that rank behind the better one.

    Args:
        replay: the trials.
        problem: Shape `[replicas]`, the row of the problem.
        rng: the generator of the draws.
        rule: the settings.
        policies: the number of policies of each replica.
        steps: a length that no trajectory passes; None for the padded length.
        grows: whether nobody declared the space. Then only the best trial of each configuration counts. A pair of one
            configuration says nothing, and configurations that come again make most pairs of a long search such pairs.
            In declared spaces all trials count, as they did when the settings were chosen.
        new_task: see `TransferConfig`.
        others: Shape `[replicas]`, whether somebody else proposed the latest trial, so that the good trials of others
            are imitated; None for no replica.
    """
    steps = replay.trials.actions.shape[-1] if steps is None else steps
    shape = (len(problem), policies, rule.updates, _pairs_of(rule, policies * steps, grows))
    chance = rng.random((2, *shape))
    better, worse = np.zeros(shape, np.int64), np.zeros(shape, np.int64)
    imitation, unknown = np.zeros(shape, np.float32), np.zeros(shape[:-1], bool)
    for replica, row in enumerate(problem.tolist()):
        ranked = replay.ranked(replica, replay.of(replica, row), grows)
        if len(ranked) < 2:
            continue  # a trial paired with itself weighs nothing
        good, last = _good(len(ranked), rule), len(ranked) - 1
        first = (chance[0, replica] * good).astype(np.int64)
        second = first + 1 + (chance[1, replica] * (last - first)).astype(np.int64)
        better[replica], worse[replica] = ranked[first], ranked[second]
        if rule.imitation and others is not None and others[replica]:
            whose = replay.proposer[replica, better[replica]]
            imitation[replica] = rule.imitation * (whose < 0) * (1 - first / good) ** _SHARPNESS
            unknown[replica, :, 1::2] = new_task == "mean"
    return _paired(replay, steps, better, worse, imitation, unknown)


class Ranking:
    """The trials of a replay buffer, ranked within their problems, for pairs of all problems.

    The cost of a ranking grows with the number of trials; the cost of a draw does not.
    """

    def __init__(self, replay: ReplayBuffer, rule: PairConfig, grows: bool, new_task: NewEmbedding) -> None:
        """Ranks the trials.

        Args:
            replay: the trials; trials that are added later are not drawn.
            rule: the settings.
            grows: see `draw_pairs`.
            new_task: see `TransferConfig`.
        """
        self._replay, self._rule, self._grows, self._new_task = replay, rule, grows, new_task
        self._ranked, self._from, self._count, self._good = [], [], [], []
        for replica in range(len(replay.problem)):
            order = np.argsort(replay.problem[replica, : replay.count], kind="stable")
            rows, starts = np.unique(replay.problem[replica, order], return_index=True)
            parts = [replay.ranked(replica, trials, grows) for trials in np.split(order, starts[1:])]
            counts = np.zeros((2, rows.max() + 1), np.int64)
            counts[0, rows] = [len(part) for part in parts]
            counts[1, rows] = [max(1, _good(len(part), rule)) for part in parts]
            self._ranked.append(np.concatenate(parts))
            self._from.append(np.cumsum(counts[0]) - counts[0])
            self._count.append(counts[0])
            self._good.append(counts[1])

    def draw(self, rng: np.random.Generator, policies: int, steps: int) -> Pairs:
        """Draws pairs as `draw_pairs` does for others' trials, but draws the problem of each pair too.

        A problem is drawn as often as its share of the trials. Leaves have the policies first, those of a replica side
        by side.

        Args:
            rng: the generator of the draws.
            policies: the number of policies of each replica.
            steps: a length that no trajectory passes.
        """
        replay, rule = self._replay, self._rule
        shape = (len(replay.problem), policies, rule.updates, _pairs_of(rule, policies * steps, self._grows))
        chance = rng.random((3, *shape))
        better, worse = np.zeros(shape, np.int64), np.zeros(shape, np.int64)
        imitation, unknown = np.zeros(shape, np.float32), np.zeros(shape[:-1], bool)
        for replica, ranked in enumerate(self._ranked):
            row = replay.problem[replica, (chance[0, replica] * replay.count).astype(np.int64)]
            start, last, good = self._from[replica][row], self._count[replica][row] - 1, self._good[replica][row]
            first = (chance[1, replica] * good).astype(np.int64)
            second = np.minimum(first + 1 + (chance[2, replica] * (last - first)).astype(np.int64), last)
            better[replica], worse[replica] = ranked[start + first], ranked[start + second]
            imitated = (replay.proposer[replica, better[replica]] < 0) & (last > 0)
            imitation[replica] = rule.imitation * imitated * (1 - first / good) ** _SHARPNESS
            unknown[replica, :, 1::2] = bool(rule.imitation) and self._new_task == "mean"
        return _paired(replay, steps, better, worse, imitation, unknown)


def _pairs_of(rule: PairConfig, steps: int, grows: bool) -> int:
    """Returns the number of pairs in a batch, of trajectories with so many steps over all policies."""
    return min(rule.pairs, max(1, rule.most_steps(grows) // steps))


def _good(count: int, rule: PairConfig) -> int:
    """Returns the number of a problem's trials that count as good; at least one trial is behind them."""
    return min(max(2, int(np.ceil(rule.good_share * count))), rule.good_most, count - 1)


def _paired(
    replay: ReplayBuffer,
    steps: int,
    better: Int[np.ndarray, "replicas members updates pairs"],
    worse: Int[np.ndarray, "replicas members updates pairs"],
    imitation: Float[np.ndarray, "replicas members updates pairs"],
    unknown: Bool[np.ndarray, "replicas members updates"],
) -> Pairs:
    """Returns pairs of trials of a replay buffer, given by their positions there; see `Pairs`."""
    which = np.arange(len(better))[:, None, None, None]
    scores = replay.scores
    weight = scores.at((which, better)).above(scores.at((which, worse))).astype(np.float32)
    per_policy = (leaf.reshape(-1, *leaf.shape[2:]) for leaf in (weight, imitation, unknown))
    return Pairs(replay.batch(better, steps), replay.batch(worse, steps), *per_policy)
