"""The learning rules of a policy: the paper's, and the default one."""

from dataclasses import dataclass
from typing import Annotated, ClassVar

from ..fields import ConfigPart, Range

Share = Annotated[float, Range(0, 1)]
Weight = Annotated[float, Range(0, 10**6)]
Count = Annotated[int, Range(1, 10**9)]
Moment = Annotated[float, Range(0, 0.999999)]  # at 1 the moments never move, and divide by 0
_MOST_STEPS = 1 << 20  # of trajectories that one trial may be learned from


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule(ConfigPart):
    """The settings that both rules have.

    Attributes:
        learning_rate: the learning rate of Adam. Paper: 5e-4.
        adam_b1: the decay of Adam's first moment. Paper: open.
        adam_b2: the decay of Adam's second moment. Paper: open.
        adam_epsilon: the epsilon of Adam. Paper: open.
        entropy_weight: the weight of the entropy, lambda_ENT in the paper's equation (3). Paper: 0.15.
    """

    path: ClassVar[str] = "TrainingConfig.rule"

    learning_rate: Annotated[float, Range(0, 10)] = 5e-4
    adam_b1: Moment = 0.9
    adam_b2: Moment = 0.999
    adam_epsilon: Annotated[float, Range(1e-30, 1)] = 1e-8
    entropy_weight: Weight = 0.15


@dataclass(frozen=True, slots=True, kw_only=True)
class Reinforce(Rule):
    """The paper's rule, equation (3): one step of Adam for each trial.

    Attributes:
        pqt_weight: the weight of priority queue training, lambda_PQT in equation (3). Paper: 5.
        baseline_decay: the decay of the moving average of a problem's rewards. The average starts at the first reward.
            Paper: open.
    """

    kind: ClassVar[str] = "reinforce"

    pqt_weight: Weight = 5.0
    baseline_decay: Share = 0.95


@dataclass(frozen=True, slots=True, kw_only=True)
class Preferences(Rule):
    """The default rule: the policy learns the order of all trials, whoever proposed them.

    After each trial, pairs of a better and a worse trial are drawn anew (see `learning.objective.preferences`). The
    paper has no such rule. `entropy_weight` is for a search of one problem.

    Attributes:
        joint_entropy_weight: the weight of the entropy where several problems are searched at once. What is learned
            there is to be transferred, and a policy that is sure of itself transfers badly.
        updates: the steps of Adam after each trial.
        pairs: the pairs of trials in each step.
        pair_steps: the largest number of padded steps that the better trials of a step have together, over all
            policies of a replica. Long trajectories make for fewer pairs. None is 256, and 128 in a search of a space
            that nobody declared, as inside of Optuna and Ray Tune, where a trial is to cost no more than with TPE.
        good_share: the share of a problem's trials that the better trial of a pair is one of.
        good_most: the largest number of trials in that share.
        scale: the factor that makes log-odds of being better from a difference of log-probabilities.
        imitation: the weight of the likelihood of the best trials while others' trials are learned from, as those of
            old studies are.
    """

    kind: ClassVar[str] = "preferences"

    learning_rate: Annotated[float, Range(0, 10)] = 2e-3
    joint_entropy_weight: Weight = 0.3
    updates: Annotated[int, Range(1, 1_000)] = 4
    pairs: Count = 8
    pair_steps: Count | None = None
    good_share: Share = 0.3
    good_most: Count = 50
    scale: Weight = 0.5
    imitation: Weight = 4.0

    def __post_init__(self) -> None:
        """Checks every field, and how much a trial may be learned from.

        Raises:
            ValueError: a field is out of its range; the message names it.
        """
        Rule.__post_init__(self)
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


LearningRule = Reinforce | Preferences
