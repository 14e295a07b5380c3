"""The protocol of a proposer bandit, which says who proposes each trial after a transfer.

There are four proposers. The transferred policy and a new policy learn from the same trials, whoever proposed them. The
warm start proposes configurations that were best before the transfer. Exploration proposes where a known state has
unseen actions: it draws from the transferred policy, with a bonus on the logits of those actions.

A bandit has a module of its own, such as `thompson.py`, and a line in `bandits.py`.

Shapes: `replicas` run side by side, `problems` are searched.
"""

import dataclasses
from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from typing import Annotated, Any, ClassVar, Generic, NamedTuple, TypeVar

import numpy as np
from jaxtyping import Bool, Float, Int

from ..arrays import map_arrays
from ..fields import ConfigPart, Limits, Share
from .replay import ReplayBuffer
from .scores import Scores

N_PROPOSERS = 4
TRANSFERRED, NEW_POLICY, WARM_START, EXPLORING = range(N_PROPOSERS)
NOBODY, SURROGATE = -1, -2
"""The proposers that a bandit does not draw: somebody else, and the Gaussian process."""


def in_part(proposer: int) -> int:
    """Returns the number of a proposer in a trial that has only a part of the proposed parameters.

    The program of a search may not ask for all parameters of a plan. A bandit does not compare such a trial, as it does
    not compare those of other negative numbers, but people are told who proposed the trial.

    Example:
        ```python
        assert [in_part(proposer) for proposer in (TRANSFERRED, NEW_POLICY, SURROGATE)] == [-3, -4, SURROGATE]
        ```
    """
    return proposer if proposer < 0 else SURROGATE - 1 - proposer


LEAST_PROPOSER = in_part(N_PROPOSERS - 1)
"""The least number of a proposer in a replay buffer."""

_NAMES = {
    TRANSFERRED: "policy",
    NEW_POLICY: "new policy",
    WARM_START: "warm start",
    EXPLORING: "exploring policy",
    SURROGATE: "surrogate",
}
PROPOSER_NAMES = _NAMES | {in_part(proposer): name for proposer, name in _NAMES.items()}
"""The names of the proposers for people, as in the user attribute of a trial of Optuna's."""

N_POLICIES = 2
"""The number of proposers that are policies, the first ones."""

POLICY_OF = np.array([TRANSFERRED, NEW_POLICY, TRANSFERRED, TRANSFERRED], np.int32)
"""The policy that each proposer draws from; the warm start draws from none."""

RECENT_TRIALS = 20  # not for tuning: this number says which trials a proposal is compared with
"""The number of latest trials that a proposal is compared with; earlier trials lie far behind the search by now."""


class SourceRecord(NamedTuple):
    """The success of the earlier problem whose trial the warm start would try next.

    Attributes:
        has_next: Shape `[replicas]`, whether the warm start has something left to try.
        comparisons: Shape `[replicas]`, the weight of the trials that came from that problem.
        wins: Shape `[replicas]`, the weight of others' trials that these beat.
    """

    has_next: Bool[np.ndarray, "replicas"]
    comparisons: Float[np.ndarray, "replicas"]
    wins: Float[np.ndarray, "replicas"]


@dataclass(frozen=True, slots=True, kw_only=True)
class ExplorationConfig(ConfigPart):
    """How exploring proposals favour unseen actions of known states (see `learning.exploration`).

    Example:
        ```python
        from transfernas import BanditConfig, ExplorationConfig

        BanditConfig(exploration=ExplorationConfig(logits=2.0))
        ```

    Attributes:
        logits: the number that is added to the logits of such actions.
        of_numbers: whether a new number counts as an unseen action. The policy knows something of a new number from its
            neighbours, but most new numbers of a wider range are at its ends. None is True, and False in a search of a
            space that nobody declared, as inside of Optuna and Ray Tune, where numbers are bins of a range.
    """

    path: ClassVar[str] = "TrainingConfig.transfer.bandit.exploration"

    logits: Annotated[float, Limits(0, 10**6, above=True)] = 3.0
    of_numbers: bool | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class BaseBanditConfig(ConfigPart, ABC):
    """The settings that every proposer bandit has; a subclass says which bandit they are for.

    Attributes:
        warm_start: the number of best configurations from before the transfer that are tried again as they are.
        decay: the factor by which the weight of earlier proposals falls with each trial.
        exploration: how exploring proposals favour new actions. None is without such proposals.
    """

    path: ClassVar[str] = "TrainingConfig.transfer.bandit"

    warm_start: Annotated[int, Limits(1, 10**6)] = 10
    decay: Share = 0.9
    exploration: ExplorationConfig | None = ExplorationConfig()

    @abstractmethod
    def start(self, replicas: int, problems: int) -> "Bandit[Any]":
        """Returns the bandit that these settings choose, before any trial.

        Args:
            replicas: the number of replicas.
            problems: the number of problems, padding included.
        """


C = TypeVar("C", bound=BaseBanditConfig)


@dataclass(frozen=True, slots=True)
class Bandit(ABC, Generic[C]):
    """A proposer bandit with settings `C`. Immutable.

    A subclass is a frozen dataclass. Each of its fields is an array, Shape `[replicas, problems, ...]`, of finite
    numbers of at least 0. At 0, an array says nothing: a search that grows pads it with 0. The arrays are saved under
    the names of their fields.
    """

    @abstractmethod
    def draw(
        self,
        problem: Int[np.ndarray, "replicas"],
        seen: Bool[np.ndarray, "replicas"],
        source_record: SourceRecord,
        has_unseen: Bool[np.ndarray, "replicas"],
        replay: ReplayBuffer,
        rng: np.random.Generator,
        config: C,
    ) -> Int[np.ndarray, "replicas"]:
        """Draws the proposer of the next trial of each replica.

        Args:
            problem: Shape `[replicas]`, row of the problem.
            seen: Shape `[replicas]`, whether any of the problem's actions was seen before the transfer.
            source_record: the success of the earlier problem whose trial the warm start would try next. The warm start
                may be drawn only where it has a trial left.
            has_unseen: Shape `[replicas]`, whether a known state of the problem has unseen actions.
            replay: the trials so far.
            rng: for the draws.
            config: the settings.

        Returns:
            Shape `[replicas]`, 32-bit integers: `TRANSFERRED`, `NEW_POLICY`, `WARM_START` or `EXPLORING`.
        """

    @abstractmethod
    def update(
        self,
        problem: Int[np.ndarray, "replicas"],
        proposer: Int[np.ndarray, "replicas"],
        scores: Scores,
        replay: ReplayBuffer,
        config: C,
    ) -> "Bandit[C]":
        """Returns the bandit after a trial of each replica.

        Args:
            problem: Shape `[replicas]`, row of the problem.
            proposer: Shape `[replicas]`, the trial's proposer; -1 for a trial that somebody else proposed.
            scores: Shape `[replicas]`, the trial's score.
            replay: the trials before it.
            config: the settings.
        """

    @abstractmethod
    def trust(self, config: C) -> Float[np.ndarray, "replicas problems"]:
        """Returns how far the transferred knowledge is trusted by now, from 0 to 1, Shape `[replicas, problems]`."""

    @abstractmethod
    def best_policy(self, config: C) -> Int[np.ndarray, "replicas"]:
        """Returns the policy of each replica that the next transfer keeps: `TRANSFERRED` or `NEW_POLICY`."""

    def arrays(self) -> dict[str, np.ndarray]:
        """Returns the arrays by the names of their fields."""
        return {field.name: getattr(self, field.name) for field in dataclasses.fields(self)}

    def map_arrays(self, change: Callable[[np.ndarray], np.ndarray]) -> "Bandit[C]":
        """Returns the bandit with all arrays changed."""
        return map_arrays(self, change)

    def selected(self, replica: int) -> "Bandit[C]":
        """Returns the bandit of one replica alone."""
        return self.map_arrays(lambda array: array[replica : replica + 1].copy())
