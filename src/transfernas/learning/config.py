"""Every hyperparameter of the agent."""

import dataclasses
import math
from dataclasses import dataclass
from typing import Literal

from ..policy.architecture import Architecture

NETWORK = (
    *("network", "attention", "embedding_size", "layers", "heads", "feed_forward", "normalise"),
    *("lstm_units", "lstm_layers", "lstm_anchors"),
)
"""The fields that say what the network is; the others of `Architecture` say how it starts."""

# The least and the largest value of each number. Larger ones would end in an error or in numbers that are not finite.
_WHOLE: dict[str, tuple[int, int]] = {
    **dict.fromkeys(("embedding_size", "layers", "heads", "feed_forward", "lstm_units", "lstm_layers"), (1, 10**12)),
    **dict.fromkeys(("queue_size", "memory"), (1, 10**6)),
    **dict.fromkeys(("transfer_steps", "pairs", "pair_steps", "good_most", "best_of_trials"), (1, 10**9)),
    **{"updates": (1, 1_000), "best_of": (1, 10_000), "control": (0, 10**9), "max_candidates": (1, 10**9)},
}
_NUMBERS: dict[str, tuple[float, float]] = {
    **dict.fromkeys(("embedding_scale", "context_scale", "position_scale", "weight_scale", "logit_scale"), (0, 10**6)),
    **dict.fromkeys(
        ("pqt_weight", "entropy_weight", "joint_entropy_weight", "preference_scale", "imitation"), (0, 10**6)
    ),
    **{"learning_rate": (0, 10), "number_length": (0, 10**6), "curiosity": (0, 10**6), "adam_epsilon": (1e-30, 1)},
    **dict.fromkeys(("adam_b1", "adam_b2"), (0, 0.999999)),  # at 1 the moments never move, and divide by 0
    **dict.fromkeys(("baseline_decay", "transfer_uniform", "good_share", "trust", "trust_memory"), (0, 1)),
    "trust_decay": (0, 1),
}
_WORDS = {
    "learning": ("reinforce", "preferences"),
    "network": ("transformer", "decoder", "lstm"),
    "normalise": ("after", "before"),
    "attention": ("causal", "bidirectional"),
    "new_task": ("random", "mean"),
    "new_action": ("random", "mean"),
    "queue_ties": ("keep", "replace"),
    "queue_repeats": ("best", "latest"),
}
_MOST_STEPS = 1 << 20  # of trajectories that one trial may be learned from


@dataclass(frozen=True, slots=True, kw_only=True)
class TrainingConfig(Architecture):
    """The hyperparameters of the agent: its network (see `Architecture`) and its learning.

    The defaults are the paper's (section 3, appendix A); what it leaves open is marked "open" and listed with the
    reasons in `docs/explanation/paper-to-code.md`.

    Attributes:
        learning_rate: of Adam. Paper: 5e-4.
        adam_b1: decay of Adam's first moment. Open.
        adam_b2: decay of Adam's second moment. Open.
        adam_epsilon: Adam's epsilon. Open.
        pqt_weight: the paper's lambda_PQT, equation (3). Paper: 5.
        entropy_weight: the paper's lambda_ENT, equation (3). Paper: 0.15.
        joint_entropy_weight: the same where several problems are searched at once, for learning by preferences: what is
            learned there is to be transferred, and a policy that is sure of itself transfers badly.
        queue_size: the best distinct trials that a problem's queue keeps. Paper: 25.
        queue_ties: what happens to a new trial as good as the worst of a full queue: "keep" what is there, or "replace"
            it. Open.
        queue_repeats: the reward of a sequence that was evaluated more than once: the "best" or the "latest". Open.
        baseline_decay: of the moving average of a problem's rewards; it starts at the first. Open.
        transfer_uniform: the paper's gamma, equation (1): the share of the uniform distribution right after a transfer.
            Paper: 0.1.
        transfer_steps: over how many trials gamma falls linearly to 0. Paper: 100.
        new_task: how the embedding of a task that was never met starts after a transfer: drawn like the others
            ("random", as in the paper) or at the mean of the known tasks' embeddings ("mean").
        learning: what the policy learns from: "reinforce" is the paper's equation (3); "preferences" is the order of
            its trials, whoever proposed them (see `learning.objective.preferences`), and then the fields from here to
            `best_of_trials` count, `learning_rate`, Adam's and `entropy_weight` as well.
        updates: steps of Adam after each trial.
        pairs: pairs of trials in each of them,
        pair_steps: but their better trials have at most so many steps, padded, over all policies of a replica: long
            trajectories, and two policies, cost no more.
        good_share: the better trial of a pair is one of the best of its problem, this share of all,
        good_most: but at most so many.
        preference_scale: what a difference of log-probabilities is multiplied by, to be the log-odds of being better.
        imitation: what the likelihood of the best trials weighs while others' trials are learned from, as those of old
            studies.
        best_of: a proposal is the most probable of so many draws.
        best_of_trials: over how many trials of a problem that number grows from 1; a transferred policy is
            ahead by the share of the problem's actions that it met before.
        repeats: whether a configuration that was evaluated may be proposed again; if not, nor may one that builds the
            same network, where the problem has a key.
        number_length: over how many gaps the initial embeddings of actions that are numbers are alike; 0 for not at
            all, as in the paper (see `learning.numbers`).
        gate: whether a new policy learns beside a transferred one, and the rewards say which of them proposes (see
            `learning.gate`). It takes `learning` by preferences.
        memory: how many configurations that were best before a transfer are remembered, to be tried again as they are
            where there is a gate.
        trust: what a transferred policy, and curiosity, are expected to do at first: the share of others' trials that
            their proposals beat. Of the new policy it is 0.5.
        trust_memory: what the memory is expected to do at first.
        control: which trial of a problem is the new policy's, if it proposed none before: what it finds is what the
            others are compared with. Before it only knowledge proposes. 0 for neither.
        trust_decay: what earlier proposals weigh after each trial.
        new_action: how the embedding of an action that was never met starts after a transfer, in a state that was:
            drawn like the others ("random", as in the paper) or near the mean of the state's known actions ("mean");
            numbers start near their neighbours, where `number_length` says so.
        curiosity: what is added to the logits of such actions in a share of the proposals, which the rewards decide;
            it takes a gate. 0 for never.
        curious_of_numbers: whether numbers are among such actions, though what is known of their neighbours says
            something of them. Where a range was widened, most of what is new lies at its ends.
        surrogate: whether a Gaussian process proposes every second trial, from the ninth on, inside of Optuna and Ray
            Tune (see `surrogate_proposer`).
        max_candidates: how many configurations may be drawn for one trial before an invalid space is given up. Open.
    """

    learning_rate: float = 5e-4
    adam_b1: float = 0.9
    adam_b2: float = 0.999
    adam_epsilon: float = 1e-8
    pqt_weight: float = 5.0
    entropy_weight: float = 0.15
    joint_entropy_weight: float = 0.15
    queue_size: int = 25
    queue_ties: Literal["keep", "replace"] = "keep"
    queue_repeats: Literal["best", "latest"] = "best"
    baseline_decay: float = 0.95
    transfer_uniform: float = 0.1
    transfer_steps: int = 100
    new_task: Literal["random", "mean"] = "random"
    learning: Literal["reinforce", "preferences"] = "reinforce"
    updates: int = 4
    pairs: int = 8
    pair_steps: int = 256
    good_share: float = 0.3
    good_most: int = 50
    preference_scale: float = 0.5
    imitation: float = 0.0
    best_of: int = 1
    best_of_trials: int = 80
    repeats: bool = True
    number_length: float = 0.0
    gate: bool = False
    memory: int = 10
    trust: float = 1.0
    trust_memory: float = 1.0
    control: int = 3
    trust_decay: float = 0.9
    new_action: Literal["random", "mean"] = "random"
    curiosity: float = 3.0
    curious_of_numbers: bool = True
    surrogate: bool = False
    max_candidates: int = 10_000

    def __post_init__(self) -> None:
        """Checks every field.

        Raises:
            ValueError: a field is out of its range; the message names it.
        """
        for name, (least, most) in _WHOLE.items():
            _check(self, name, least, most, whole=True)
        for name, (low, high) in _NUMBERS.items():
            _check(self, name, low, high)
            object.__setattr__(self, name, float(getattr(self, name)))  # an int may be too large for the network
        for name in ("lstm_anchors", "repeats", "gate", "curious_of_numbers", "surrogate"):
            if not isinstance(getattr(self, name), bool):
                raise ValueError(f"TrainingConfig.{name} must be True or False, not {getattr(self, name)!r}")
        for name, allowed in _WORDS.items():
            if getattr(self, name) not in allowed:
                raise ValueError(f"TrainingConfig.{name} must be one of {allowed}, not {getattr(self, name)!r}")
        if self.updates * self.pair_steps > _MOST_STEPS:
            raise ValueError(
                f"updates={self.updates} times pair_steps={self.pair_steps} is more than {_MOST_STEPS:,} steps a trial"
            )
        if self.gate and self.learning == "reinforce":
            raise ValueError(
                'gate=True takes learning="preferences": REINFORCE learns from its own trials alone, and both policies '
                "learn from the trials of both"
            )
        if self.width % self.heads:
            raise ValueError(f"heads={self.heads} does not divide the token's width, 3 x {self.embedding_size}")

    @classmethod
    def paper(cls, **changes: object) -> "TrainingConfig":
        """Returns the paper's hyperparameters, with changes."""
        return dataclasses.replace(cls(), **changes)  # type: ignore[arg-type]

    @classmethod
    def fast(cls, **changes: object) -> "TrainingConfig":
        """Returns the hyperparameters that learn fastest, with changes; docs/results.md says what each is worth."""
        fast = cls(
            network="decoder",
            layers=1,
            feed_forward=48,
            learning="preferences",
            learning_rate=2e-3,
            imitation=4.0,
            best_of=16,
            repeats=False,
            number_length=2.0,
            new_task="mean",
            new_action="mean",
            transfer_uniform=0.0,
            gate=True,
            surrogate=True,
            joint_entropy_weight=0.3,
        )
        return dataclasses.replace(fast, **changes)  # type: ignore[arg-type]

    def uniform_share(self, sampled: int) -> float:
        """Returns gamma of equation (1) after so many trials were sampled since a transfer."""
        return self.transfer_uniform * max(0.0, 1.0 - sampled / self.transfer_steps)


def _check(config: TrainingConfig, name: str, low: float, high: float, whole: bool = False) -> None:
    value = getattr(config, name)
    kind = int if whole else (int, float)
    if isinstance(value, bool) or not isinstance(value, kind) or not low <= value <= high:
        what = "a whole number" if whole else "a number"
        too_large = isinstance(value, (int, float)) and high < value < math.inf
        bound = f"from {low} to {high}" if high <= 1 else f"of at most {high:,}" if too_large else f"of at least {low}"
        raise ValueError(f"TrainingConfig.{name} must be {what} {bound}, not {value!r}")
