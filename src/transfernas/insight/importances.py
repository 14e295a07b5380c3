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
from scipy.special import chdtrc

from ..spaces.condition import Action, action_key, are_numbers

# Not for tuning. These numbers say when trials are enough to say anything, and how finely numbers are looked at.
LEAST_TRIALS = 8
"""Fewer trials give no importances."""

MEASURED = (
    "Importances: which parameters tell good trials from bad among those that ran, each by itself. One that was soon "
    "settled looks less important than it is. A percentage is the share of the sum of all effects, however small they "
    "are."
)
"""The measure in words, for people who see importances."""

WEAK = (
    "Too weak to tell: in one of twenty searches or more, chance alone gives so many trials an effect as large as the "
    "largest one here."
)
"""The warning in words, for people who see importances that are `too_weak`."""

_LEVEL = 0.05  # of a test of all parameters together

_GROUPS = 4  # of the values of a number, so that a group has several trials


class Importance(NamedTuple):
    """The effect of a parameter on the order of trials.

    Attributes:
        effect: the share of the variance of the ranks that the parameter explains alone, in [0, 1].
        share: of the sum of all parameters' effects, in [0, 1]; 0 if no parameter has an effect.
        chance: the probability that a parameter without any effect would show at least this one, in [0, 1]: that of the
            Kruskal-Wallis test.
    """

    effect: float
    share: float
    chance: float = 0.0


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
    effects, chances = dict[str, float](), dict[str, float]()
    for name in dict.fromkeys(name for config in configs for name in config):
        made = [number for number, config in enumerate(configs) if name in config]
        groups = _groups([configs[number][name] for number in made])
        h, n, k = kruskal_wallis(groups, ranks[made])
        effects[name] = effect_size(h, n, k) * len(made) / len(configs)
        chances[name] = float(chdtrc(k - 1, h)) if 1 < k < n else 1.0
    total = sum(effects.values())
    return {
        name: Importance(effect, effect / total if total > 0 else 0.0, chances[name])
        for name, effect in effects.items()
    }


def too_weak(found: Mapping[str, Importance]) -> bool:
    """Returns whether no effect is beyond chance, so that the importances say nothing to choose by.

    The test is that of Bonferroni: the least `chance`, times the number of parameters, is above 5 %. The trials of a
    search are not independent, so the test is a rule of thumb.

    Example:
        ```python
        assert too_weak({"rate": Importance(0.05, 0.8, 0.1), "act": Importance(0.01, 0.2, 0.3)})
        assert not too_weak({"rate": Importance(0.4, 0.8, 0.001), "act": Importance(0.1, 0.2, 0.3)})
        ```
    """
    return bool(found) and min(each.chance for each in found.values()) * len(found) > _LEVEL


def kruskal_wallis(groups: Int[np.ndarray, "trials"], ranks: Float[np.ndarray, "trials"]) -> tuple[float, int, int]:
    """Returns the statistic H of the Kruskal-Wallis test, the number of trials, and the number of groups.

    Args:
        groups: Shape `[trials]`, the number of the group of each trial.
        ranks: Shape `[trials]`. If all are equal, H is 0.
    """
    _, which, counts = np.unique(groups, return_inverse=True, return_counts=True)
    centred = ranks - ranks.mean() if len(ranks) else ranks
    total = float((centred**2).sum())
    between = float((np.bincount(which, centred) ** 2 / counts).sum())
    return (len(ranks) - 1) * between / total if total > 0 else 0.0, len(ranks), len(counts)


def effect_size(h: float, n: int, k: int) -> float:
    """Returns eta squared of what `kruskal_wallis` found, less the part that chance alone gives.

    It is 0 if there is a single group, or a group for each trial.

    Args:
        h: the statistic H.
        n: the number of trials.
        k: the number of groups.
    """
    return float(np.clip((h - k + 1) / (n - k), 0.0, 1.0)) if 1 < k < n else 0.0


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
