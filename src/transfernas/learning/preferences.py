"""The default learning rule: the policy learns which of two trials did better."""

import dataclasses
from dataclasses import dataclass
from functools import partial
from typing import Annotated, ClassVar

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float

from ..fields import Limits
from ..policy.policy import Policy
from ..spaces.tables import Tables
from .likelihood import chosen_log_prob, entropy, step_log_probs, uniform_log_prob
from .limits import Count, Share, Weight
from .pairs import Pairs, Ranking, draw_pairs
from .randomness import Purpose
from .replay import ReplayBuffer
from .rule import BatchConfig, DrawBatchFn, LearningRule, Lesson

_MOST_STEPS = 1 << 20  # of trajectories that one trial may be learned from


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
