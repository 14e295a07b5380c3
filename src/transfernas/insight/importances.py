"""Importances of parameters: the share of the order of trials that each parameter explains by itself.

The measure is the effect size of the Kruskal-Wallis test, eta squared of the ranks (Kruskal and Wallis 1952; Tomczak
and Tomczak 2014): (H - k + 1) / (n - k) for n trials in k groups. It is the main effect of a functional analysis of
variance (Hutter, Hoos and Leyton-Brown 2014), of ranks instead of values and without a model in between. It needs no
scale of the rewards, takes categories and numbers, and is 0 on average where a parameter makes no difference.

It describes the trials of a search, which lie mostly where the search expected good ones, and not the whole space. An
effect that two parameters have only together is in neither of their importances.
"""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np
from jaxtyping import Float, Int

from ..spaces.condition import Action, action_key, are_numbers

# Not for tuning. These numbers say when trials are enough to say anything, and how finely numbers are looked at.
LEAST_TRIALS = 8
"""Fewer trials give no importances."""

MEASURED = (
    "Importances: which parameters tell good trials from bad among those that ran, each by itself. One that was soon "
    "settled looks less important than it is."
)
"""The measure in words, for people who see importances."""

_GROUPS = 4  # of the values of a number, so that a group has several trials


class Importance(NamedTuple):
    """The effect of a parameter on the order of trials.

    Attributes:
        effect: the share of the variance of the ranks that the parameter explains alone, in [0, 1].
        share: of the sum of all parameters' effects, in [0, 1]; 0 if no parameter has an effect.
    """

    effect: float
    share: float


def importances(configs: Sequence[Mapping[str, Action]], ranks: Float[np.ndarray, "trials"]) -> dict[str, Importance]:
    """Returns the importance of every parameter of some trials; nothing for fewer than `LEAST_TRIALS`.

    A parameter that only some trials have is judged by those, and weighs as much as their share of all trials.

    Args:
        configs: the configuration of each trial.
        ranks: Shape `[trials]`, the place of each trial in their order; `mean_ranks` gives it.

    Example:
        `importances([{"rate": 0.1, "act": "relu"}, ...], mean_ranks(outcomes, rewards))["rate"].share`
    """
    if len(configs) < LEAST_TRIALS:
        return {}
    effects = dict[str, float]()
    for name in dict.fromkeys(name for config in configs for name in config):
        made = [number for number, config in enumerate(configs) if name in config]
        groups = _groups([configs[number][name] for number in made])
        effects[name] = effect_size(groups, ranks[made]) * len(made) / len(configs)
    total = sum(effects.values())
    return {name: Importance(effect, effect / total if total > 0 else 0.0) for name, effect in effects.items()}


def effect_size(groups: Int[np.ndarray, "trials"], ranks: Float[np.ndarray, "trials"]) -> float:
    """Returns eta squared of ranks in groups, less the part that chance alone gives; 0 where it cannot be found.

    Args:
        groups: Shape `[trials]`, the number of the group of each trial.
        ranks: Shape `[trials]`.
    """
    _, which, counts = np.unique(groups, return_inverse=True, return_counts=True)
    n, k = len(ranks), len(counts)
    centred = ranks - ranks.mean() if n else ranks
    total = float((centred**2).sum())
    if k < 2 or n <= k or total <= 0:
        return 0.0
    between = float((np.bincount(which, centred) ** 2 / counts).sum())
    h = (n - 1) * between / total
    return float(np.clip((h - k + 1) / (n - k), 0.0, 1.0))


def mean_ranks(outcome: Int[np.ndarray, "trials"], reward: Float[np.ndarray, "trials"]) -> Float[np.ndarray, "trials"]:
    """Returns the place of each trial, 0 for the worst and 1 for the best; equal trials have the mean of their places.

    Args:
        outcome: Shape `[trials]`, see `learning.scores.TrialOutcome`, which counts before the reward.
        reward: Shape `[trials]`.
    """
    count = len(reward)
    if count < 2:
        return np.full(count, 0.5)
    keys = np.stack([outcome.astype(np.float64), reward], axis=1)
    _, which, equal = np.unique(keys, axis=0, return_inverse=True, return_counts=True)
    behind = np.cumsum(equal) - (equal + 1) / 2
    return np.asarray(behind[which.reshape(-1)] / (count - 1))


def _groups(actions: Sequence[Action]) -> Int[np.ndarray, "trials"]:
    """Returns a group for each value of a category, and at most four groups of about equal size for a number."""
    values = {action_key(action): action for action in actions}
    if are_numbers(list(values.values())) and len(values) > _GROUPS:
        numbers = np.array(actions, np.float64)
        edges = np.unique(np.quantile(numbers, np.arange(1, _GROUPS) / _GROUPS, method="inverted_cdf"))
        return np.searchsorted(edges, numbers, side="left")
    place = {key: number for number, key in enumerate(values)}
    return np.array([place[action_key(action)] for action in actions])
