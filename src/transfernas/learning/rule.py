"""The protocol of a learning rule: it draws batches of trials, and has an objective that policies climb on them.

A rule is a part of the settings. It has a module of its own, such as `reinforce.py`, and a line in `rules.py`.

Shapes: `replicas` run side by side; `policies` are those of all replicas, the policies of a replica side by side;
`updates` are the steps of Adam on one batch.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from typing import Annotated, Any, ClassVar, Literal, NamedTuple

import numpy as np
from jaxtyping import Array, Bool, Float, Int

from ..fields import ConfigPart, Limits, Weight
from ..policy.policy import Policy
from ..spaces.tables import Tables
from ..spaces.trajectory import Trajectory
from .priority_queue import PriorityQueue
from .randomness import Purpose, generator
from .replay import ReplayBuffer
from .trial_stats import TrialStats

NewEmbedding = Literal["random", "mean"]
Moment = Annotated[float, Limits(0, 0.999999)]  # at 1 the moments never move, and divide by 0

Batch = Any
"""A PyTree of arrays. In a drawn batch the policies come first and the updates second; an objective sees one update of
one policy."""

DrawBatchFn = Callable[[np.random.Generator], Batch]
"""Draws a batch of the trials that it was made for."""


class BatchConfig(NamedTuple):
    """The properties of a batch that do not depend on the rule.

    Attributes:
        policies: the policies of each replica.
        steps: a length that no trajectory passes.
        grows: whether the space grows during the search, because nobody declared it.
        new_task: how the embedding of a new task starts; see `TransferConfig`.
    """

    policies: int
    steps: int
    grows: bool
    new_task: NewEmbedding


@dataclass(frozen=True, slots=True)
class Lesson:
    """One evaluated trial of each replica, with the trials that the replicas know.

    Attributes:
        problem: Shape `[replicas]`, the rows of the problems.
        trajectory: Shape `[replicas, ...]`, the trials.
        reward: Shape `[replicas]`, the rewards; for a rule with `reward_scale` they are on a scale that it can follow.
        own: Shape `[replicas]`, whether the replica itself proposed the trial.
        others: whether somebody else searched. The good trials of others can be imitated.
        replay: all trials, these among them. The buffer is empty for a rule that is not off-policy, if configurations
            may repeat.
        queue: the best trials of each problem, these among them.
        trial_stats: the statistics of the trials before these.
        batch: the properties of batches.
        seed: the seed of the search.
        number: the number of trials that were learned from before.
    """

    problem: Int[np.ndarray, "replicas"]
    trajectory: Trajectory
    reward: Float[np.ndarray, "replicas"]
    own: Bool[np.ndarray, "replicas"]
    others: bool
    replay: ReplayBuffer
    queue: PriorityQueue
    trial_stats: TrialStats
    batch: BatchConfig
    seed: int
    number: int

    def rng(self, purpose: Purpose) -> np.random.Generator:
        """Returns the generator of this lesson's draws for a purpose."""
        return generator(self.seed, purpose, self.number)


@dataclass(frozen=True, slots=True, kw_only=True)
class LearningRule(ConfigPart, ABC):
    """A learning rule, and the settings that every rule has.

    A subclass has a `kind`, `off_policy` and `objective`. It has `batches` if it is off-policy, and `draw` if not.

    Attributes:
        off_policy: whether the rule learns from trials whoever proposed them. Only such a rule can have a proposer
            bandit, whose two policies learn from the trials of both. Only such a rule learns from many old trials in
            few steps, and rehearses earlier problems before a transfer.
        reward_scale: whether the rule follows the size of rewards, and not their order alone. A search inside of
            another tool then clips rewards that lie far from all others.
        learning_rate: the learning rate of Adam. Paper: 5e-4.
        adam_b1: the decay of Adam's first moment. Paper: open.
        adam_b2: the decay of Adam's second moment. Paper: open.
        adam_epsilon: the epsilon of Adam. Paper: open.
        entropy_weight: the weight of the entropy, lambda_ENT in the paper's equation (3). Paper: 0.15.
    """

    path: ClassVar[str] = "TrainingConfig.rule"
    off_policy: ClassVar[bool]
    reward_scale: ClassVar[bool] = False

    learning_rate: Annotated[float, Limits(0, 10)] = 5e-4
    adam_b1: Moment = 0.9
    adam_b2: Moment = 0.999
    adam_epsilon: Annotated[float, Limits(1e-30, 1)] = 1e-8
    entropy_weight: Weight = 0.15

    @abstractmethod
    def objective(self, policy: Policy, tables: Tables, batch: Batch) -> Float[Array, ""]:
        """Returns the objective, which a step of Adam climbs; it is compiled.

        Args:
            policy: one policy.
            tables: the problems.
            batch: the batch of one update of this policy.
        """

    def draw(self, lesson: Lesson) -> Batch:
        """Draws the batch that is learned from after a trial of each replica.

        By default it is a batch of all trials, see `batches`.

        Args:
            lesson: the trial of each replica, and those before.

        Returns:
            A PyTree of NumPy arrays, Shape `[policies, updates, ...]`.
        """
        return self.batches(lesson.replay, lesson.batch)(lesson.rng(Purpose.PAIRS))

    def batches(self, replay: ReplayBuffer, batch: BatchConfig) -> DrawBatchFn:
        """Returns a function that draws batches from trials of all problems, such as many old trials.

        Work that is the same for every batch, such as ranking the trials, is done once, before the first draw.

        Args:
            replay: the trials.
            batch: the properties of batches.

        Raises:
            NotImplementedError: the rule is not off-policy.
        """
        raise NotImplementedError(f"{type(self).__name__} has no method batches, which an off-policy rule must have")

    def count(self, lesson: Lesson) -> TrialStats:
        """Returns the statistics of the trials after those of a lesson; by default, each trial is counted."""
        return lesson.trial_stats.count_trial(lesson.problem)
