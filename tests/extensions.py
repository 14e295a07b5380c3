"""A learning rule and a proposer bandit as somebody else adds them; `docs/how-to/extend.md` shows these classes."""

from dataclasses import dataclass
from typing import Annotated, ClassVar

import jax
import jax.numpy as jnp
import numpy as np

from transfernas.fields import Limits
from transfernas.learning.bandit import NEW_POLICY, TRANSFERRED, Bandit, BaseBanditConfig, SourceRecord
from transfernas.learning.likelihood import log_prob
from transfernas.learning.replay import ReplayBuffer
from transfernas.learning.rule import BatchConfig, DrawBatchFn, LearningRule
from transfernas.learning.scores import Scores
from transfernas.policy.policy import Policy
from transfernas.spaces.tables import Tables
from transfernas.spaces.trajectory import Trajectory


@dataclass(frozen=True, slots=True, kw_only=True)
class Imitation(LearningRule):
    """Imitates the best trials, whoever proposed them.

    Attributes:
        best: the number of trials of each problem that are imitated.
    """

    kind: ClassVar[str] = "imitation"
    off_policy: ClassVar[bool] = True

    best: Annotated[int, Limits(1, 100)] = 5

    def batches(self, replay: ReplayBuffer, batch: BatchConfig) -> DrawBatchFn:
        def draw(rng: np.random.Generator) -> Trajectory:
            replicas = len(replay.problem)
            at = np.zeros((replicas, batch.policies, 1, 8), np.int64)
            for replica in range(replicas):
                trial = rng.integers(replay.count)
                row = int(replay.problem[replica, trial])
                ranked = replay.ranked(replica, replay.of(replica, row))
                at[replica] = rng.choice(ranked[: self.best], at.shape[1:])
            return replay.batch(at, batch.steps)

        return draw

    def objective(
        self,
        policy: Policy,
        tables: Tables,
        batch: Trajectory,
    ) -> jax.Array:
        of_each = jax.vmap(log_prob, in_axes=(None, None, 0))
        return jnp.mean(of_each(policy, tables, batch))


@dataclass(frozen=True, slots=True, kw_only=True)
class TurnsConfig(BaseBanditConfig):
    """The transferred policy and the new one propose in turn."""

    kind: ClassVar[str] = "turns"

    def start(self, replicas: int, problems: int) -> "Turns":
        return Turns(np.zeros((replicas, problems)))


@dataclass(frozen=True, slots=True)
class Turns(Bandit[TurnsConfig]):
    """Counts the trials of each problem.

    Attributes:
        told: Shape `[replicas, problems]`, the number of trials.
    """

    told: np.ndarray

    def draw(
        self,
        problem: np.ndarray,
        seen: np.ndarray,
        source_record: SourceRecord,
        has_unseen: np.ndarray,
        replay: ReplayBuffer,
        rng: np.random.Generator,
        config: TurnsConfig,
    ) -> np.ndarray:
        odd = self.told[np.arange(len(problem)), problem] % 2 == 1
        return np.where(odd, NEW_POLICY, TRANSFERRED).astype(np.int32)

    def update(
        self,
        problem: np.ndarray,
        proposer: np.ndarray,
        scores: Scores,
        replay: ReplayBuffer,
        config: TurnsConfig,
    ) -> "Turns":
        told = self.told.copy()
        told[np.arange(len(problem)), problem] += 1
        return Turns(told)

    def trust(self, config: TurnsConfig) -> np.ndarray:
        return np.full(self.told.shape, 0.5)

    def best_policy(self, config: TurnsConfig) -> np.ndarray:
        return np.full(len(self.told), TRANSFERRED)
