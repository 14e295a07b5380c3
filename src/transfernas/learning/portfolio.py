"""The trials of earlier problems that a new problem tries first: a portfolio, chosen greedily over the problems.

The new problem may be like any of the earlier problems. So the first trial has the best mean value over them. Each
following trial adds most to the mean of the best value so far. A trial was evaluated on one problem alone. Its value on
another problem is estimated from the trials there that are most like it.

Shapes: `problems` are earlier problems, `kept` the archived trials of a problem, `candidates` trials of all problems,
`choices` those of all spaces.
"""

from collections.abc import Iterable, Sequence
from typing import NamedTuple

import numpy as np
from jaxtyping import Float

from ..spaces.condition import Action, action_key, are_numbers
from .archive import NOT_MADE, ArchivedProblem
from .scores import TrialOutcome

# Not for tuning. The first two numbers bound the cost of a portfolio. The others say how alike trials are, in shares of
# their choices, so that they fit any space. `BanditConfig.warm_start` is the number of trials that are picked.
_CANDIDATES = 8  # the number of best trials of each problem
_MOST = 32  # the number of problems; of more, those that were learned from last
_LIKE = 0.12  # the share of choices in which two similar trials differ
_PRIOR = 0.05  # the weight of the mean over a problem's trials
_WIDEST = 2.0  # numbers that are half a range apart differ as names do


class Pick(NamedTuple):
    """A trial of an earlier problem.

    Attributes:
        entry: the position of the problem in the archive.
        slot: the position of the trial among the archived trials of the problem.
    """

    entry: int
    slot: int


Portfolios = Sequence[Sequence[Sequence[Pick]]]
"""For each replica and each new problem, trials in the order in which they are tried."""


def portfolios(
    entries: Sequence[ArchivedProblem], replicas: int, names: Sequence[tuple[str, str]], count: int
) -> list[list[list[Pick]]]:
    """Returns the portfolios of new problems.

    A portfolio has trials of the earlier problems that share the new problem's space or task. The best trials of
    another task in another space say less about a new problem than the policy does.

    Args:
        entries: the archive.
        replicas: the number of replicas.
        names: the names of the space and the task of each new problem.
        count: the number of trials that will be tried. A portfolio has three times as many, because some may not fit.
    """
    alike = [
        [at for at, entry in enumerate(entries) if entry.space == space or entry.task == task] for space, task in names
    ]
    return [[portfolio(entries, replica, sources, 3 * count) for sources in alike] for replica in range(replicas)]


def portfolio(entries: Sequence[ArchivedProblem], replica: int, sources: Sequence[int], count: int) -> list[Pick]:
    """Returns trials in the order in which they are tried; for one problem these are its best trials, best first.

    Args:
        entries: the archive.
        replica: the replica whose trials are taken.
        sources: the positions of the earlier problems that count.
        count: the largest number of trials; there may be fewer.
    """
    rows = [at for at in sources if entries[at].count[replica]][-_MOST:]
    if not rows:
        return []
    kept = [int(entries[at].count[replica]) for at in rows]
    if len(rows) == 1:
        return [Pick(rows[0], slot) for slot in range(min(kept[0], count))]
    picks = [Pick(at, slot) for at, n in zip(rows, kept, strict=True) for slot in range(min(n, _CANDIDATES))]
    worth = _worth(entries, replica, rows, picks)
    best, left, found = np.zeros(len(rows)), list(range(len(picks))), list[Pick]()
    while left and len(found) < count:
        gain = np.maximum(worth[:, left], best[:, None]).mean(axis=0)
        # Once no trial adds anything, the trial with the best mean comes next.
        at = left[int(np.lexsort((-worth[:, left].mean(axis=0), -gain.round(9)))[0])]
        best = np.maximum(best, worth[:, at])
        found.append(picks[at])
        left.remove(at)
    return found


def made_by_all(name: str, entries: Sequence[ArchivedProblem], picks: Iterable[Pick]) -> bool:
    """Returns whether each of the first replica's picked trials makes a choice; False if there is no trial.

    Args:
        name: The name of the choice.
        entries: The archive.
        picks: The trials.
    """
    made = [name in entries[pick.entry].config(0, pick.slot) for pick in picks]
    return bool(made) and all(made)


def rate_trials(entry: ArchivedProblem, replica: int) -> Float[np.ndarray, "kept"]:
    """Returns the values of a problem's archived trials: 1 for the best, 0 for the median and for worse trials."""
    count = int(entry.count[replica])
    scores = entry.scores.at((replica, slice(count)))
    finite = scores.outcome == TrialOutcome.FINITE
    if not finite.any():
        return 1.0 - np.arange(count) / count
    rewards = scores.reward[finite]
    scale = rewards[0] - np.median(rewards)
    if not np.isfinite(scale) or scale <= 0:
        return np.where(scores.outcome >= TrialOutcome.FINITE, 1.0 - np.arange(count) / count, 0.0)
    found = 1.0 - (rewards[0] - scores.reward) / scale
    return np.where(finite, np.maximum(found, 0.0), np.where(scores.outcome > TrialOutcome.FINITE, 1.0, 0.0))


def _worth(
    entries: Sequence[ArchivedProblem], replica: int, rows: Sequence[int], picks: Sequence[Pick]
) -> Float[np.ndarray, "problems candidates"]:
    """Returns the estimated value of each candidate on each problem."""
    place = _Places([entries[at] for at in rows])
    at_home = {at: place.of(entries[at], replica) for at in rows}
    candidates = np.stack([at_home[pick.entry][pick.slot] for pick in picks])
    worth = np.zeros((len(rows), len(picks)))
    for number, at in enumerate(rows):
        good = rate_trials(entries[at], replica)
        weight = np.exp(-((place.differences(candidates, at_home[at]) / _LIKE) ** 2))
        worth[number] = (weight @ good + _PRIOR * good.mean()) / (weight.sum(axis=1) + _PRIOR)
        for index, pick in enumerate(picks):
            if pick.entry == at:
                worth[number, index] = good[pick.slot]
    return worth


class _Places:
    """Trials of several problems as points, by the choices of all.

    A coordinate is the place of a number in its range, from 0 to 1, or the position of another action. It is NaN if the
    trial did not make the choice.
    """

    def __init__(self, entries: Sequence[ArchivedProblem]) -> None:
        actions: dict[str, dict[object, Action]] = {}
        for entry in entries:
            for choice in entry.choices:
                known = actions.setdefault(choice.name, {})
                known |= {action_key(action): action for action in choice.actions if action_key(action) not in known}
        self._column = {name: column for column, name in enumerate(actions)}
        self._place: list[dict[object, float]] = []
        self._numeric = np.zeros(len(actions), bool)
        for column, its in enumerate(actions.values()):
            self._numeric[column] = numeric = are_numbers(list(its.values()))
            order = sorted(its, key=its.__getitem__) if numeric else list(its)  # type: ignore[arg-type]
            last = len(order) - 1 if numeric else 1
            self._place.append({one: rank / last for rank, one in enumerate(order)})

    def of(self, entry: ArchivedProblem, replica: int) -> Float[np.ndarray, "kept choices"]:
        """Returns the archived trials of a problem as points."""
        count = int(entry.count[replica])
        found = np.full((count, len(self._column)), np.nan)
        for at, choice in enumerate(entry.choices):
            column = self._column[choice.name]
            place = np.array([self._place[column][action_key(action)] for action in choice.actions] + [np.nan])
            action_indices = entry.action_indices[replica, :count, at]
            found[:, column] = place[np.where(action_indices == NOT_MADE, len(choice.actions), action_indices)]
        return found

    def differences(
        self, some: Float[np.ndarray, "some choices"], others: Float[np.ndarray, "others choices"]
    ) -> Float[np.ndarray, "some others"]:
        """Returns the share of choices in which two trials differ, of the choices that either made.

        Two numbers differ by the distance between them.
        """
        total, made = np.zeros((2, len(some), len(others)))
        for column, numeric in enumerate(self._numeric):
            left, right = some[:, column, None], others[None, :, column]
            here, both = ~(np.isnan(left) & np.isnan(right)), ~np.isnan(left) & ~np.isnan(right)
            apart = np.minimum(_WIDEST * np.abs(left - right), 1.0) if numeric else (left != right).astype(np.float64)
            total += np.where(both, apart, 1.0) * here
            made += here
        return total / np.maximum(made, 1.0)
