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


@dataclass(frozen=True, slots=True, kw_only=True)
class TrainingConfig(Architecture):
    """The hyperparameters of the agent: its network (see `Architecture`) and its learning.

    The defaults are the paper's (section 3, appendix A); what it leaves open is marked "open" and listed with the
    reasons in `docs/paper_map.md`.

    Attributes:
        learning_rate: of Adam. Paper: 5e-4.
        adam_b1: decay of Adam's first moment. Open.
        adam_b2: decay of Adam's second moment. Open.
        adam_epsilon: Adam's epsilon. Open.
        pqt_weight: the paper's lambda_PQT, equation (3). Paper: 5.
        entropy_weight: the paper's lambda_ENT, equation (3). Paper: 0.15.
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
        max_candidates: how many configurations may be drawn for one trial before an invalid space is given up. Open.
    """

    learning_rate: float = 5e-4
    adam_b1: float = 0.9
    adam_b2: float = 0.999
    adam_epsilon: float = 1e-8
    pqt_weight: float = 5.0
    entropy_weight: float = 0.15
    queue_size: int = 25
    queue_ties: Literal["keep", "replace"] = "keep"
    queue_repeats: Literal["best", "latest"] = "best"
    baseline_decay: float = 0.95
    transfer_uniform: float = 0.1
    transfer_steps: int = 100
    new_task: Literal["random", "mean"] = "random"
    max_candidates: int = 10_000

    def __post_init__(self) -> None:
        """Checks every field.

        Raises:
            ValueError: a field is out of its range; the message names it.
        """
        for name in ("embedding_size", "layers", "heads", "feed_forward", "lstm_units", "lstm_layers"):
            _check(self, name, 1, math.inf, whole=True)
        for name in ("queue_size", "transfer_steps"):
            _check(self, name, 1, math.inf, whole=True)
        _check(self, "max_candidates", 1, math.inf, whole=True)
        for name in ("embedding_scale", "context_scale", "position_scale", "weight_scale", "logit_scale"):
            _check(self, name, 0, math.inf)
        for name in ("learning_rate", "pqt_weight", "entropy_weight"):
            _check(self, name, 0, math.inf)
        _check(self, "adam_epsilon", 1e-30, 1)
        for name in ("adam_b1", "adam_b2"):
            _check(self, name, 0, 0.999999)  # at 1 the moments never move, and their correction divides by 0
        for name in ("baseline_decay", "transfer_uniform"):
            _check(self, name, 0, 1)
        if not isinstance(self.lstm_anchors, bool):
            raise ValueError(f"TrainingConfig.lstm_anchors must be True or False, not {self.lstm_anchors!r}")
        _check_one_of(self, "network", ("transformer", "lstm"))
        _check_one_of(self, "normalise", ("after", "before"))
        _check_one_of(self, "attention", ("causal", "bidirectional"))
        _check_one_of(self, "new_task", ("random", "mean"))
        _check_one_of(self, "queue_ties", ("keep", "replace"))
        _check_one_of(self, "queue_repeats", ("best", "latest"))
        if self.width % self.heads:
            raise ValueError(f"heads={self.heads} does not divide the token's width, 3 x {self.embedding_size}")

    @classmethod
    def paper(cls, **changes: object) -> "TrainingConfig":
        """Returns the paper's hyperparameters, with changes."""
        return dataclasses.replace(cls(), **changes)  # type: ignore[arg-type]

    def uniform_share(self, sampled: int) -> float:
        """Returns gamma of equation (1) after so many trials were sampled since a transfer."""
        return self.transfer_uniform * max(0.0, 1.0 - sampled / self.transfer_steps)


def _check(config: TrainingConfig, name: str, low: float, high: float, whole: bool = False) -> None:
    value = getattr(config, name)
    kind = int if whole else (int, float)
    if isinstance(value, bool) or not isinstance(value, kind) or not low <= value <= high or value == math.inf:
        what = "a whole number" if whole else "a number"
        bound = f"of at least {low}" if high == math.inf else f"from {low} to {high}"
        raise ValueError(f"TrainingConfig.{name} must be {what} {bound}, not {value!r}")


def _check_one_of(config: TrainingConfig, name: str, allowed: tuple[str, ...]) -> None:
    if getattr(config, name) not in allowed:
        raise ValueError(f"TrainingConfig.{name} must be one of {allowed}, not {getattr(config, name)!r}")
