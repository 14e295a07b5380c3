"""Which trials of earlier problems are to be tried first on a new one: a portfolio of them, greedy over the problems.

The new problem may be like any of the earlier ones. So the first trial is the one that is best in the mean over them,
and each next one adds most to the mean over them of the best so far. What a trial of one problem is worth on another,
where it was not evaluated, is that of the trials there that are most like it.

Shapes: `problems` are the earlier ones, `kept` trials of each, `candidates` of all, `choices` of all spaces.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from jaxtyping import Float

from ..spaces.condition import Action, action_key, are_numbers
from .archive import NOT_MADE, ArchivedProblem
from .scores import TrialOutcome

# Not for tuning. Two numbers bound what a portfolio costs. The others say how alike trials are, in shares of their
# choices, so that they fit any space. How many trials are picked is `BanditConfig.warm_start`.
_CANDIDATES = 8  # the best of each problem
_MOST = 32  # problems; of more, those that were learned from last
_LIKE = 0.12  # trials that differ in this share of their choices say much of one another
_PRIOR = 0.05  # the weight of the mean over a problem's trials
_WIDEST = 2.0  # numbers that are half a range apart differ as names do


class Pick(NamedTuple):
    """A trial of an earlier problem.

    Attributes:
        entry: the position of the problem in the archive.
        slot: the position of the trial in what is kept of it.
    """

    entry: int
    slot: int


Portfolios = Sequence[Sequence[Sequence[Pick]]]
"""For each replica, and each new problem, trials in the order in which they are to be tried."""


def portfolios(
    entries: Sequence[ArchivedProblem], replicas: int, names: Sequence[tuple[str, str]], count: int
) -> list[list[list[Pick]]]:
    """Returns the portfolios of new problems.

    They are of those earlier problems that have the new one's space or task: what was best on another task, in another
    space, says less than the policy does of what is new there.

    Args:
        entries: what is archived.
        replicas: how many there are.
        names: of the space and the task of each new problem.
        count: how many trials are to be tried; there are more, for some may not fit.
    """
    alike = [
        [at for at, entry in enumerate(entries) if entry.space == space or entry.task == task] for space, task in names
    ]
    return [[portfolio(entries, replica, sources, 3 * count) for sources in alike] for replica in range(replicas)]


def portfolio(entries: Sequence[ArchivedProblem], replica: int, sources: Sequence[int], count: int) -> list[Pick]:
    """Returns trials in the order in which they are to be tried; of one problem they are its best, best first.

    Args:
        entries: what is archived.
        replica: of which replica.
        sources: the positions of the problems that count.
        count: how many trials at most; there may be fewer.
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
        # Where nothing is gained any more, the best in the mean comes next.
        at = left[int(np.lexsort((-worth[:, left].mean(axis=0), -gain.round(9)))[0])]
        best = np.maximum(best, worth[:, at])
        found.append(picks[at])
        left.remove(at)
    return found


def rate_trials(entry: ArchivedProblem, replica: int) -> Float[np.ndarray, "kept"]:
    """Returns how good the trials of a problem are: 1 for its best, 0 for the middle one of those kept, and below."""
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
    """Returns what each candidate is worth on each problem, as far as the trials there tell."""
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

    A coordinate is the place of a number in its range, from 0 to 1, or counts other actions; it is NaN where the choice
    was not made.
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
            values = list(its.values())
            self._numeric[column] = are_numbers(values)
            if self._numeric[column]:
                order = sorted(its, key=lambda one: its[one])  # type: ignore[arg-type, return-value]
                self._place.append({one: rank / (len(order) - 1) for rank, one in enumerate(order)})
            else:
                self._place.append({one: float(rank) for rank, one in enumerate(its)})

    def of(self, entry: ArchivedProblem, replica: int) -> Float[np.ndarray, "kept choices"]:
        """Returns the trials that are kept of a problem."""
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
        """Returns in which share of the choices that either made trials differ, numbers by how far they are apart."""
        total, made = np.zeros((2, len(some), len(others)))
        for column, numeric in enumerate(self._numeric):
            left, right = some[:, column, None], others[None, :, column]
            here, both = ~(np.isnan(left) & np.isnan(right)), ~np.isnan(left) & ~np.isnan(right)
            apart = np.minimum(_WIDEST * np.abs(left - right), 1.0) if numeric else (left != right).astype(np.float64)
            total += np.where(both, apart, 1.0) * here
            made += here
        return total / np.maximum(made, 1.0)
