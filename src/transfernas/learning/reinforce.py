"""The paper's learning rule: REINFORCE, priority queue training and entropy, equations (2) and (3) of appendix A."""

from dataclasses import dataclass
from typing import ClassVar, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from ..arrays import AnyArray
from ..fields import Share, Weight
from ..policy.policy import Policy
from ..spaces.tables import Tables
from ..spaces.trajectory import Trajectory
from .likelihood import chosen_log_prob, entropy, step_log_probs
from .randomness import Purpose
from .rule import LearningRule, Lesson
from .trial_stats import TrialStats


class ReinforceBatch(NamedTuple):
    """The trials of one step of REINFORCE.

    Attributes:
        sampled: Shape `[..., steps]`, the trial that was told.
        advantage: Shape `[...]`, its reward less the baseline; 0 takes the REINFORCE term out.
        queued: Shape `[..., steps]`, a trial of the problem's queue, which is imitated.
    """

    sampled: Trajectory
    advantage: Float[AnyArray, "*batch"]
    queued: Trajectory


@dataclass(frozen=True, slots=True, kw_only=True)
class Reinforce(LearningRule):
    """The paper's rule, equation (3): one step of Adam for each trial.

    Example:
        ```python
        from transfernas import Reinforce, TrainingConfig

        TrainingConfig.paper(rule=Reinforce(learning_rate=1e-3))
        ```

    Attributes:
        pqt_weight: the weight of priority queue training, lambda_PQT in equation (3). Paper: 5.
        baseline_decay: the decay of the moving average of a problem's rewards. The average starts at the first reward.
            Paper: open.
    """

    kind: ClassVar[str] = "reinforce"
    off_policy: ClassVar[bool] = False
    reward_scale: ClassVar[bool] = True

    pqt_weight: Weight = 5.0
    baseline_decay: Share = 0.95

    def draw(self, lesson: Lesson) -> ReinforceBatch:
        """Returns the trial of each replica, with its advantage and a trial of its queue; see `LearningRule.draw`."""
        pick = lesson.rng(Purpose.QUEUE).random(len(lesson.problem), np.float32)
        advantage = lesson.trial_stats.advantage(lesson.problem, lesson.reward, lesson.own)
        batch = ReinforceBatch(lesson.trajectory, advantage, lesson.queue.draw(lesson.problem, pick))
        return jax.tree.map(lambda leaf: leaf[:, None], batch)

    def objective(self, policy: Policy, tables: Tables, batch: ReinforceBatch) -> Float[Array, ""]:
        """Returns the function whose gradient is equation (3); see `LearningRule.objective`."""
        both = jax.tree.map(lambda *leaves: jnp.stack(leaves), batch.sampled, batch.queued)
        log_pi, real = jax.vmap(step_log_probs, in_axes=(None, None, 0))(policy, tables, both)
        reinforce = batch.advantage * chosen_log_prob(log_pi[0], real[0], batch.sampled)  # Eq. (2), first line
        priority_queue = chosen_log_prob(log_pi[1], real[1], batch.queued)  # Eq. (2), second line
        regulariser = entropy(log_pi[0], real[0])
        return reinforce + self.pqt_weight * priority_queue + self.entropy_weight * regulariser  # Eq. (3)

    def count(self, lesson: Lesson) -> TrialStats:
        """Counts the trials, and moves the baselines of those that the replicas proposed."""
        return lesson.trial_stats.update(lesson.problem, lesson.reward, lesson.own, self.baseline_decay)
