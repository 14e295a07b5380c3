"""Pairs of trials of which one did better: what a policy learns from that learns by preferences."""

from typing import NamedTuple

import jax
import numpy as np
from jaxtyping import Bool, Float, Int

from ..arrays import AnyArray
from ..spaces.encoding import Trajectory
from .config import TrainingConfig
from .history import History

_SHARPNESS = 3  # the best of the good trials is imitated most, one half as far back an eighth as much


class Pairs(NamedTuple):
    """Batches of pairs of trials of one problem, one batch for each step of the optimiser.

    Attributes:
        better: Shape `[updates, pairs, ...]`.
        worse: Shape `[updates, pairs, ...]`.
        weight: Shape `[updates, pairs]`, 0 where the two are equally good, and 1.
        imitation: Shape `[updates, pairs]`, what the likelihood of the better trial weighs.
        unknown: Shape `[updates]`, whether a batch is learned from as trials of a task that was never met.
    """

    better: Trajectory
    worse: Trajectory
    weight: Float[AnyArray, "*batch"]
    imitation: Float[AnyArray, "*batch"]
    unknown: Bool[AnyArray, "*updates"]


def draw_pairs(
    history: History,
    problem: Int[np.ndarray, "replicas"],
    rng: np.random.Generator,
    config: TrainingConfig,
    members: int = 1,
    steps: int | None = None,
    distinct: bool = False,
    others: Bool[np.ndarray, "replicas"] | None = None,
) -> Pairs:
    """Draws pairs for each policy of each replica from the replica's trials of a problem.

    Leaves have the policies first, those of a replica side by side.

    The better trial is uniform among the best (`config.good_share` of all, at most `config.good_most`), the worse one
    uniform among those that rank behind it.

    Args:
        history: the trials.
        problem: Shape `[replicas]`, row of the problem.
        rng: for the draws.
        config: how many.
        members: policies of a replica.
        steps: a length that no trajectory passes; None for the padded one.
        distinct: whether only the best trial of each configuration counts. A pair of others says nothing, and late in a
            search in which configurations come again most would be such pairs.
        others: Shape `[replicas]`, whether the latest trial is one that somebody else proposed, so that what others
            found good is imitated; None for no replica.
    """
    steps = history.trials.actions.shape[-1] if steps is None else steps
    pairs = min(config.pairs, max(1, config.pair_steps // (members * steps)))
    shape = (len(problem), members, config.updates, pairs)
    chance = rng.random((2, *shape))
    better, worse = np.zeros(shape, np.int64), np.zeros(shape, np.int64)
    imitation, unknown = np.zeros(shape, np.float32), np.zeros(shape[:-1], bool)
    for replica, row in enumerate(problem.tolist()):
        trials = history.of(replica, row)
        ranked = trials[history.scores.at((replica, trials)).best_first()]
        if distinct:
            ranked = ranked[np.sort(np.unique(history.key[replica, ranked], return_index=True)[1])]
        if len(ranked) < 2:
            continue  # a trial paired with itself weighs nothing
        last = len(ranked) - 1
        good = min(max(2, int(np.ceil(config.good_share * len(ranked)))), config.good_most, last)
        first = (chance[0, replica] * good).astype(np.int64)
        second = first + 1 + (chance[1, replica] * (last - first)).astype(np.int64)
        better[replica], worse[replica] = ranked[first], ranked[second]
        if config.imitation and others is not None and others[replica]:
            whose = history.member[replica, better[replica]]
            imitation[replica] = config.imitation * (whose < 0) * (1 - first / good) ** _SHARPNESS
            unknown[replica, :, 1::2] = config.new_task == "mean"
    which = np.arange(len(problem))[:, None, None, None]

    def picked(at: Int[np.ndarray, "replicas members updates pairs"]) -> Trajectory:
        def taken(leaf: np.ndarray) -> np.ndarray:
            short = leaf[..., :steps] if leaf.ndim > history.problem.ndim else leaf
            return short[which, at].reshape(-1, *at.shape[2:], *short.shape[2:])

        return jax.tree.map(taken, history.trials)

    scores = history.scores
    weight = scores.at((which, better)).above(scores.at((which, worse))).astype(np.float32)
    per_policy = (leaf.reshape(-1, *leaf.shape[2:]) for leaf in (weight, imitation, unknown))
    return Pairs(picked(better), picked(worse), *per_policy)
