"""The default learning rule: the policy learns which of two trials did better, from pairs that are drawn anew."""

import dataclasses
from dataclasses import dataclass
from functools import partial
from typing import Annotated, ClassVar, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float, Int

from ..arrays import AnyArray
from ..fields import Count, Limits, Share, Weight
from ..policy.policy import Policy
from ..spaces.tables import Tables
from ..spaces.trajectory import Trajectory
from .likelihood import chosen_log_prob, entropy, step_log_probs, uniform_log_prob
from .randomness import Purpose
from .replay import ReplayBuffer
from .rule import BatchConfig, DrawBatchFn, LearningRule, Lesson, NewEmbedding

_MOST_STEPS = 1 << 20  # of trajectories that one trial may be learned from

# Not for tuning: the setting to tune is `Preferences.imitation`, the weight of all imitation.
_SHARPNESS = 3  # the best trial is imitated most, and a trial in the middle of the good ones an eighth as much


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


@dataclass(frozen=True, slots=True, kw_only=True)
class Preferences(LearningRule):
    """The default rule: the policy learns the order of all trials, whoever proposed them.

    After each trial, pairs of a better and a worse trial are drawn anew. The log-probability of a trial is its score,
    and each pair is a game of Bradley and Terry (1952). The paper has no such rule. `entropy_weight` is for a search of
    one problem.

    Example:
        ```python
        from transfernas import Preferences, TrainingConfig

        TrainingConfig(rule=Preferences(updates=8))
        ```

    Attributes:
        joint_entropy_weight: the weight of the entropy in a search of several problems at once. Such a policy is meant
            to be transferred, and a policy that is sure of itself transfers badly.
        updates: the steps of Adam after each trial.
        pairs: the pairs of trials in each step.
        pair_steps: the largest number of padded steps that the better trials of a step have together, over all
            policies of a replica. Long trajectories make for fewer pairs. None is 256, and 128 in a search of a space
            that nobody declared, as inside of Optuna and Ray Tune, where a trial is to cost no more than with TPE.
        good_share: the share of a problem's trials that count as good. The better trial of a pair is a good one.
        good_most: the largest number of trials that count as good, whatever `good_share` gives.
        scale: the factor from a difference of log-probabilities to the log-odds of being better.
        imitation: the weight of the likelihood of the best trials while the policy learns from others' trials, as from
            those of old studies.
    """

    kind: ClassVar[str] = "preferences"
    off_policy: ClassVar[bool] = True

    learning_rate: Annotated[float, Limits(0, 10)] = 2e-3
    joint_entropy_weight: Weight = 0.3
    updates: Annotated[int, Limits(1, 1_000)] = 4
    pairs: Count = 8
    pair_steps: Count | None = None
    good_share: Share = 0.3
    good_most: Count = 50
    scale: Weight = 0.5
    imitation: Weight = 4.0

    def __post_init__(self) -> None:
        """Checks every field, and the number of steps that one trial is learned from in.

        Raises:
            ValueError: a field is out of its range; the message names it.
        """
        LearningRule.__post_init__(self)
        if self.updates * self.most_steps(False) > _MOST_STEPS:
            raise ValueError(
                f"{self.path}.updates={self.updates} times pair_steps={self.most_steps(False)} is more than "
                f"{_MOST_STEPS:,} steps a trial; give less of one"
            )

    def most_steps(self, grows: bool) -> int:
        """Returns the largest number of padded steps of the better trials, see `pair_steps`.

        Args:
            grows: whether the space grows during the search, because nobody declared it.
        """
        if self.pair_steps is not None:
            return self.pair_steps
        return 128 if grows else 256

    def draw(self, lesson: Lesson) -> Pairs:
        """Draws pairs of the trials of each replica's problem; see `LearningRule.draw`."""
        imitated, rng = np.full(len(lesson.problem), lesson.others), lesson.rng(Purpose.PAIRS)
        return draw_pairs(lesson.replay, lesson.problem, rng, self, *lesson.batch, imitated)

    def batches(self, replay: ReplayBuffer, batch: BatchConfig) -> DrawBatchFn:
        """Returns a function that draws pairs, each of a problem of its own; see `LearningRule.batches`."""
        ranking = Ranking(replay, self, batch.grows, batch.new_task)
        return partial(ranking.draw, policies=batch.policies, steps=batch.steps)

    def objective(self, policy: Policy, tables: Tables, batch: Pairs) -> Float[Array, ""]:
        """Returns how well a policy tells better from worse trials; see `LearningRule.objective`.

        It is the mean log-likelihood of the games' results, as in direct preference optimisation (Rafailov et al. 2023)
        with a uniform reference. Pairs that are told apart pull no more. So the policy does not collapse on its best
        trials, as it would by imitation, and it uses bad trials too. The entropy of equation (2) is added.

        The order is not enough for trials that others proposed. The configurations that they tried most lose most
        pairs, although they are good, and their probability goes to configurations that nobody tried. So the likelihood
        of the better trials can be added.

        Args:
            policy: one policy.
            tables: the problems.
            batch: Shape `[pairs, ...]`.
        """
        policy = of_unknown_task(policy, tables, batch.unknown)
        both = jax.tree.map(lambda *leaves: jnp.concatenate(leaves), batch.better, batch.worse)
        log_pi, real = jax.vmap(step_log_probs, in_axes=(None, None, 0))(policy, tables, both)
        first, second = jnp.split(jax.vmap(chosen_log_prob)(log_pi, real, both), 2)
        expected = jnp.split(jax.vmap(uniform_log_prob)(real), 2)
        ahead = (first - second) - (expected[0] - expected[1])
        likelihood = batch.weight * jax.nn.log_sigmoid(self.scale * ahead) + batch.imitation * first
        weight_of_entropy = jnp.where(tables.problems > 1, self.joint_entropy_weight, self.entropy_weight)
        return jnp.mean(likelihood) + weight_of_entropy * jnp.mean(jax.vmap(entropy)(log_pi, real))


def of_unknown_task(policy: Policy, tables: Tables, unknown: Bool[Array, ""]) -> Policy:
    """Returns a policy that takes all tasks for their mean, as which a new task may start.

    Args:
        policy: one policy.
        tables: the problems.
        unknown: whether to do so; if not, the policy is returned as it is.
    """
    real = jnp.arange(tables.task.shape[0]) < tables.problems
    known = policy.task[tables.task]
    mean = jnp.sum(jnp.where(real[:, None], known, 0.0), 0) / tables.problems
    return dataclasses.replace(policy, task=policy.task.at[tables.task].set(jnp.where(unknown, mean, known)))


def draw_pairs(
    replay: ReplayBuffer,
    problem: Int[np.ndarray, "replicas"],
    rng: np.random.Generator,
    rule: Preferences,
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

    def __init__(self, replay: ReplayBuffer, rule: Preferences, grows: bool, new_task: NewEmbedding) -> None:
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


def _pairs_of(rule: Preferences, steps: int, grows: bool) -> int:
    """Returns the number of pairs in a batch, of trajectories with so many steps over all policies."""
    return min(rule.pairs, max(1, rule.most_steps(grows) // steps))


def _good(count: int, rule: Preferences) -> int:
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
