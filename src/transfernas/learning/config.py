"""The settings of an agent, grouped by subject."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, ClassVar

from ..fields import ConfigPart, Count, Limits, OneOf, changed
from ..policy.architecture import DecoderConfig, NetworkConfig, TransformerConfig
from .bandit import BaseBanditConfig
from .bandits import BANDITS
from .preferences import Preferences
from .priority_queue import QueueConfig
from .reinforce import Reinforce
from .rule import LearningRule, NewEmbedding
from .rules import RULES
from .thompson import BanditConfig

_LONG_SEARCH = 100  # not for tuning: trials, from which on the policy and the process take turns


@dataclass(frozen=True, slots=True, kw_only=True)
class BestOf(ConfigPart):
    """How a proposal is chosen from several draws: the most probable draw is proposed.

    Example:
        ```python
        from transfernas import BestOf, ProposalConfig, TrainingConfig

        TrainingConfig(proposal=ProposalConfig(best_of=BestOf(draws=32)))
        ```

    Attributes:
        draws: the number of draws.
        trials: the number of trials of a problem over which the number of draws grows from 1; those that a Gaussian
            process proposed do not count. A transferred policy is ahead by the share of the problem's actions that it
            saw before.
    """

    path: ClassVar[str] = "TrainingConfig.proposal.best_of"

    draws: Annotated[int, Limits(2, 10_000)] = 16
    trials: Count = 80


@dataclass(frozen=True, slots=True, kw_only=True)
class SurrogateConfig(ConfigPart):
    """When a Gaussian process proposes (see `learning.surrogate`).

    Example:
        ```python
        from transfernas import ProposalConfig, SurrogateConfig, TrainingConfig

        TrainingConfig(proposal=ProposalConfig(surrogate=SurrogateConfig(every=3)))
        ```

    Attributes:
        first: the number of trials that are told before the process proposes.
        first_after_transfer: the same, where the agent knows earlier problems, and all actions of a declared problem.
        every: the policy proposes one trial in so many, and learns from all. The process proposes the others. From the
            hundredth trial on, the two take turns, because the process explores where little is left to gain.
    """

    path: ClassVar[str] = "TrainingConfig.proposal.surrogate"

    first: Annotated[int, Limits(1, 10**9)] = 8
    first_after_transfer: Annotated[int, Limits(1, 10**9)] = 4
    every: Annotated[int, Limits(2, 10**9)] = 4

    def proposes(self, number: int) -> bool:
        """Returns whether the trial of a number is the process's to propose, once the process proposes."""
        every = self.every if number < _LONG_SEARCH else 2
        return number % every != every - 1


@dataclass(frozen=True, slots=True, kw_only=True)
class ProposalConfig(ConfigPart):
    """How a policy's draws become proposals.

    Example:
        ```python
        from transfernas import ProposalConfig, TrainingConfig

        TrainingConfig(proposal=ProposalConfig(surrogate=None))
        ```

    Attributes:
        best_of: how a proposal is chosen from several draws. None is one draw. Paper: None.
        repeats: whether an evaluated configuration may be proposed again. If not, and the problem has a key, no
            configuration is proposed that builds an evaluated network. Paper: True.
        max_candidates: the number of configurations that may be drawn for one trial before the agent gives up an
            invalid space. Paper: open.
        middle_first: whether the first proposal of a policy that knows nothing of a problem is in the middle of all
            ranges of numbers. People choose ranges around numbers that they expect to be good. Paper: False.
        surrogate: when a Gaussian process proposes. In an `Agent` it proposes for problems at least half of whose
            choices are numbers. None is never. Paper: None.
    """

    path: ClassVar[str] = "TrainingConfig.proposal"

    best_of: BestOf | None = BestOf()
    repeats: bool = False
    max_candidates: Count = 10_000
    middle_first: bool = True
    surrogate: SurrogateConfig | None = SurrogateConfig()

    @classmethod
    def paper(cls) -> "ProposalConfig":
        """Returns the paper's settings."""
        return cls(best_of=None, repeats=True, middle_first=False, surrogate=None)


@dataclass(frozen=True, slots=True, kw_only=True)
class UniformConfig(ConfigPart):
    """The uniform distribution that is mixed into a policy after a transfer, equation (1).

    Example:
        ```python
        from transfernas import TrainingConfig, TransferConfig, UniformConfig

        TrainingConfig(transfer=TransferConfig(uniform=UniformConfig(share=0.2)))
        ```

    Attributes:
        share: the share of the uniform distribution right after the transfer, the paper's gamma. Paper: 0.1.
        trials: the number of trials over which the share falls linearly to 0. Paper: 100.
    """

    path: ClassVar[str] = "TrainingConfig.transfer.uniform"

    share: Annotated[float, Limits(0, 1, above=True)] = 0.1
    trials: Count = 100


@dataclass(frozen=True, slots=True, kw_only=True)
class TransferConfig(ConfigPart):
    """How a transfer treats new names, and how far it trusts the transferred knowledge.

    Example:
        ```python
        from transfernas import TrainingConfig, TransferConfig

        TrainingConfig(transfer=TransferConfig(new_task="random"))
        ```

    Attributes:
        new_task: the initial embedding of a task that was never seen. "random" draws it like the other embeddings.
            "mean" is the mean of the known tasks' embeddings. Paper: "random".
        new_action: the initial embedding of an action that was never seen, of a known state. "random" draws it like the
            other embeddings. "mean" is near the mean of the state's known actions; numbers start near their neighbours
            if the network's `number_length` is not 0. Paper: "random".
        uniform: the uniform distribution that is mixed in at first. None mixes in nothing. Paper: `UniformConfig()`.
        bandit: how rewards decide who proposes. A bandit needs an off-policy rule. None is without a proposer bandit:
            the transferred policy proposes every trial. Paper: None.
    """

    path: ClassVar[str] = "TrainingConfig.transfer"

    new_task: NewEmbedding = "mean"
    new_action: NewEmbedding = "mean"
    uniform: UniformConfig | None = None
    bandit: Annotated[BaseBanditConfig, OneOf(BANDITS)] | None = BanditConfig()

    @classmethod
    def paper(cls) -> "TransferConfig":
        """Returns the paper's settings."""
        return cls(new_task="random", new_action="random", uniform=UniformConfig(), bandit=None)

    def uniform_share(self, sampled: int) -> float:
        """Returns gamma of equation (1).

        Args:
            sampled: the number of trials that were sampled since the transfer.
        """
        return 0.0 if self.uniform is None else self.uniform.share * max(0.0, 1.0 - sampled / self.uniform.trials)

    def explore_numbers(self, grows: bool) -> bool:
        """Returns whether exploration favours new numbers.

        Args:
            grows: whether the space grows during the search, because nobody declared it.
        """
        exploration = None if self.bandit is None else self.bandit.exploration
        return not grows if exploration is None or exploration.of_numbers is None else exploration.of_numbers


@dataclass(frozen=True, slots=True, kw_only=True)
class TrainingConfig(ConfigPart):
    """The settings of an agent, the same in `Agent`, `TransferSampler` and `TransferSearch`.

    `TrainingConfig()` has the defaults. The page of results gives the effect of those that were measured.
    `TrainingConfig.paper()` has the paper's settings (section 3, appendix A). Each field gives the paper's value.
    "Open" marks a choice that the paper leaves open; `docs/explanation/paper-to-code.md` has the reasons. A field
    without "Paper:" belongs to a part that the paper does not have.

    Every setting that you can give has an effect. A setting of one network or one rule alone is a field of that network
    or rule. A part that can be left out is None, and has no fields then. `transfer` counts after a transfer.

    Some numbers that shape proposals are no settings. A comment where each is defined says why. They are in these
    modules:

    - `learning.surrogate`, `learning.improvement`, `learning.choice_points`, `learning.surrogate_proposals`,
      `define_by_run.surrogate_proposer`: how the Gaussian process looks for candidates.
    - `learning.proposal`: how many candidates are drawn, and how draws go on once the policy's own are used up.
    - `learning.bandit`, `learning.thompson`: how proposals are compared.
    - `learning.inheritance`, `learning.number_embeddings`: the distance of a new embedding from a similar one.
    - `learning.archive`, `learning.portfolio`, `learning.rehearsal`: which trials of earlier problems are kept.
    - `learning.preferences`, `learning.studying`, `define_by_run.learner`: how old trials are learned from.
    - `spaces.domain`, `define_by_run.trials`, `define_by_run.space`: how ranges become bins, and bins numbers.

    Example:
        ```python
        from transfernas import Preferences, Reinforce, TrainingConfig

        TrainingConfig(rule=Preferences(updates=8))
        TrainingConfig.paper(rule=Reinforce(learning_rate=1e-3))
        TrainingConfig.paper().with_changes({"transfer.new_task": "mean", "queue.size": 50})
        ```

    Attributes:
        network: the policy's network. Paper: `TransformerConfig()`.
        rule: how the policy learns from its trials. Paper: `Reinforce()`.
        proposal: how a policy's draws become proposals. Paper: `ProposalConfig.paper()`.
        queue: the queue of the best trials of each problem. Paper: `QueueConfig()`.
        transfer: how a transfer treats new names and known ones. Paper: `TransferConfig.paper()`.
    """

    path: ClassVar[str] = "TrainingConfig"

    network: NetworkConfig = DecoderConfig()
    rule: Annotated[LearningRule, OneOf(RULES)] = Preferences()
    proposal: ProposalConfig = ProposalConfig()
    queue: QueueConfig = QueueConfig()
    transfer: TransferConfig = TransferConfig()

    def __post_init__(self) -> None:
        """Checks that the parts go together.

        Raises:
            ValueError: a part cannot be in its place, or there is a proposer bandit and the rule is not off-policy.
        """
        ConfigPart.__post_init__(self)
        if self.transfer.bandit is not None and not self.rule.off_policy:
            raise ValueError(
                f"{self.path}.transfer.bandit takes rule=Preferences(), or another off-policy rule: "
                f"{type(self.rule).__name__} learns from its own trials alone, and both policies learn from the trials "
                "of both; give transfer.bandit=None, or another rule"
            )

    @property
    def keeps_trials(self) -> bool:
        """Whether an agent keeps all its trials: to learn from them again, not to repeat them, or for the surrogate."""
        return self.rule.off_policy or not self.proposal.repeats or self.proposal.surrogate is not None

    @classmethod
    def paper(
        cls,
        *,
        network: NetworkConfig | None = None,
        rule: LearningRule | None = None,
        proposal: ProposalConfig | None = None,
        queue: QueueConfig | None = None,
        transfer: TransferConfig | None = None,
    ) -> "TrainingConfig":
        """Returns the paper's settings, except for the parts that are given.

        Args:
            network: the network; `TransformerConfig()` by default.
            rule: the learning rule; `Reinforce()` by default.
            proposal: how draws become proposals; `ProposalConfig.paper()` by default.
            queue: the queue of the best trials; `QueueConfig()` by default.
            transfer: how a transfer treats new names; `TransferConfig.paper()` by default.

        Raises:
            ValueError: the parts do not go together.

        Example:
            ```python
            config = TrainingConfig.paper(network=LstmConfig())
            ```
        """
        return cls(
            network=network or TransformerConfig(),
            rule=rule or Reinforce(),
            proposal=proposal or ProposalConfig.paper(),
            queue=queue or QueueConfig(),
            transfer=transfer or TransferConfig.paper(),
        )

    def with_changes(self, changes: Mapping[str, object]) -> "TrainingConfig":
        """Returns the settings with other values in single fields.

        Args:
            changes: values by the paths of their fields, such as `{"rule.learning_rate": 1e-3, "transfer.bandit":
                None}`.

        Raises:
            ValueError: a path names no field, a value is not allowed, or the values do not go together; the message
                names the field.

        Example:
            ```python
            config = TrainingConfig().with_changes({"rule.learning_rate": 1e-3, "transfer.bandit": None})
            ```
        """
        return changed(self, changes)


def check_config(config: object) -> TrainingConfig | None:
    """Returns the settings that were given; None for None.

    Raises:
        TypeError: `config` is neither a TrainingConfig nor None.

    Example:
        ```python
        assert check_config(TrainingConfig.paper()) == TrainingConfig.paper()
        ```
    """
    if config is None or isinstance(config, TrainingConfig):
        return config
    raise TypeError(
        f"config must be a TrainingConfig, such as TrainingConfig().with_changes({{'rule.updates': 8}}) or "
        f"TrainingConfig.paper(), not {config!r}"
    )
