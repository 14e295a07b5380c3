"""The course of a search: its trials with their proposers, the best value after each, and the gain of each proposer."""

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import NamedTuple

from ..learning.learner import Learner
from ..learning.scores import TrialOutcome
from ..spaces.vocabulary import counted
from .told import exact_configs, told_trials, trial_key

OTHERS = "others"
"""Stands for the proposer of trials that were enqueued, imported or proposed by another program."""

ENDINGS = {
    TrialOutcome.FINITE: "complete",
    TrialOutcome.PRUNED: "pruned",
    TrialOutcome.DIVERGED: "diverged",
    TrialOutcome.INFEASIBLE: "broke a constraint",
    TrialOutcome.FAILED: "failed",
}
"""The words for the outcomes of trials; a trial of an infinitely good value is complete."""


def ending_of(outcome: int) -> str:
    """Returns the words for the outcome of a trial, see `TrialOutcome`.

    Example:
        ```python
        assert ending_of(-1) == "pruned"
        ```
    """
    return ENDINGS.get(TrialOutcome(outcome), ENDINGS[TrialOutcome.FINITE])


EARLY = 10
"""So many first trials of a search tell a policy that starts from nothing next to nothing."""


@dataclass(frozen=True, slots=True)
class SearchTrial:
    """A trial of a search.

    Attributes:
        number: of the trial, from 0.
        value: as it was told; None for a trial that failed, was pruned or broke a constraint, and so cannot be best.
        proposer: its name; None if nobody noted it.
        trust: the probability that the policy and the warm start propose better trials at that time than the new
            policy, in [0, 1]; None without a transfer.
        params: from the names of its parameters to their values.
        ending: "complete", "pruned", "failed", "diverged" or "broke a constraint".

    Example:
        ```python
        best = record_of(agent.learner, row=0).best_first[0]
        print(best.number, best.value, best.proposer, best.params)
        ```
    """

    number: int
    value: float | None
    proposer: str | None
    trust: float | None
    params: Mapping[str, object]
    ending: str = "complete"

    @property
    def kind(self) -> str:
        """The proposer without the name of its source."""
        return OTHERS if self.proposer is None else self.proposer.partition(" from ")[0]


@dataclass(frozen=True, slots=True)
class SearchRecord:
    """A search.

    Attributes:
        name: of the search.
        quantity: the name of its values, such as "value" or "reward".
        maximise: whether a higher value is better.
        trials: those that are finished, oldest first.
        running: how many are not finished.
        began: when the first trial began; None if that is not known.
        ended: when the last trial ended; None likewise.

    Example:
        ```python
        record = record_of(agent.learner, row=0)
        print(record.name, record.direction, record.incumbents)
        ```
    """

    name: str
    quantity: str
    maximise: bool
    trials: tuple[SearchTrial, ...]
    running: int = 0
    began: datetime | None = None
    ended: datetime | None = None

    @property
    def direction(self) -> str:
        """Which values are better, in words."""
        return f"{'higher' if self.maximise else 'lower'} is better"

    @property
    def incumbents(self) -> tuple[float | None, ...]:
        """The best value after each trial; None before there is one."""
        found, best = list[float | None](), None
        for trial in self.trials:
            if trial.value is not None and (best is None or self.is_better(trial.value, best)):
                best = trial.value
            found.append(best)
        return tuple(found)

    @property
    def endings(self) -> dict[str, int]:
        """The number of trials of each ending, complete ones first."""
        counts = Counter(trial.ending for trial in self.trials)
        return {ending: counts[ending] for ending in ENDINGS.values() if counts[ending]}

    @property
    def best_first(self) -> tuple[SearchTrial, ...]:
        """The trials that have a value, best first; of equal ones the earlier first."""
        valued = [trial for trial in self.trials if trial.value is not None]
        return tuple(sorted(valued, key=lambda trial: -self._sign * _number(trial.value)))

    def is_better(self, value: float, other: float) -> bool:
        """Returns whether a value is better than another."""
        return self._sign * value > self._sign * other

    @property
    def _sign(self) -> int:
        return 1 if self.maximise else -1


class ProposerGain(NamedTuple):
    """The gain by a proposer.

    Attributes:
        proposer: its name, without that of a source.
        trials: how many trials it proposed.
        improvements: how many of them became the best so far; the first trial with a value is one of them.
        gain: by how much these moved the best value in all, at least 0.
        best: its best value; None if none of its trials has a value.
    """

    proposer: str
    trials: int
    improvements: int
    gain: float
    best: float | None


def gains(record: SearchRecord) -> tuple[ProposerGain, ...]:
    """Returns the gain of each proposer, in the order in which they came.

    Example:
        ```python
        record = record_of(agent.learner, row=0)
        print({each.proposer: each.gain for each in gains(record)})
        ```
    """
    found: dict[str, list[SearchTrial]] = {}
    moved, count = dict[str, float](), dict[str, int]()
    for trial, before in zip(record.trials, (None, *record.incumbents), strict=False):
        found.setdefault(trial.kind, []).append(trial)
        if trial.value is not None and (before is None or record.is_better(trial.value, before)):
            step = 0.0 if before is None else abs(trial.value - before)
            moved[trial.kind] = moved.get(trial.kind, 0.0) + (step if math.isfinite(step) else 0.0)
            count[trial.kind] = count.get(trial.kind, 0) + 1
    return tuple(
        ProposerGain(kind, len(trials), count.get(kind, 0), moved.get(kind, 0.0), _best(record, trials))
        for kind, trials in found.items()
    )


class OldAgainstNew(NamedTuple):
    """Old knowledge against a new start, by trials of one search in which they had learned next to nothing from it.

    Attributes:
        warm_starts: The number of trials of the warm start.
        policy: The number of trials that the policy proposed before the first one of the new policy.
        new: The number of trials of the new policy among the first ten of the search.
        better: The number of pairs of an old trial and a new one in which the old one was better.
        equal: The number of pairs in which both have one value, or none has a value.
    """

    warm_starts: int
    policy: int
    new: int
    better: int
    equal: int

    @property
    def pairs(self) -> int:
        """The number of pairs of an old trial and a new one; 0 before both have been tried."""
        return (self.warm_starts + self.policy) * self.new

    @property
    def share(self) -> float:
        """The share of the pairs in which the old trial was better; an equal pair counts as a half. It needs a pair."""
        return (self.better + self.equal / 2) / self.pairs

    @property
    def words(self) -> str:
        """The result in words, such as "better in 3 of 8 pairs, equal in 1"."""
        equal = f", equal in {self.equal}" if self.equal else ""
        return f"better in {self.better} of {counted(self.pairs, 'pair')}{equal}"


def old_against_new(record: SearchRecord) -> OldAgainstNew | None:
    """Returns the trials of old knowledge, compared with the first trials of a new start; None without a transfer.

    Both policies learn from all trials of a search, so its later trials say little about the worth of old knowledge.
    A trial without a value is worse than any with a value.

    Example:
        ```python
        found = old_against_new(record_of(agent.learner, row=0))
        if found is not None:
            print(f"old knowledge was better in {found.better} of {found.pairs} pairs")
        ```
    """
    kinds = [trial.kind for trial in record.trials]
    if not {"warm start", "new policy"} & set(kinds) and all(trial.trust is None for trial in record.trials):
        return None
    first = kinds.index("new policy") if "new policy" in kinds else len(kinds)
    warm_starts = [trial for trial in record.trials if trial.kind == "warm start"]
    policy = [trial for trial in record.trials[:first] if trial.kind in ("policy", "exploring policy")]
    new = [trial for trial in record.trials[:EARLY] if trial.kind == "new policy"]
    pairs = [(old, other) for old in (*warm_starts, *policy) for other in new]
    better, equal = sum(_is_better(record, *pair) for pair in pairs), sum(old.value == new.value for old, new in pairs)
    return OldAgainstNew(len(warm_starts), len(policy), len(new), better, equal)


def first_to_reach(record: SearchRecord, value: float) -> int | None:
    """Returns the number of the first trial of a search that had a value, or a better one; None if none had."""
    for trial, best in zip(record.trials, record.incumbents, strict=True):
        if best is not None and not record.is_better(value, best):
            return trial.number
    return None


def record_of(learner: Learner, row: int) -> SearchRecord:
    """Returns the trials of a problem of a learner of one replica, in the order in which it learned from them.

    The best trials have the numbers that were tried, as far as the learner keeps them; in the others a number may stand
    for its bin. The learner keeps the numbers of the first one alone of trials with equal bins and equal rewards.

    Args:
        learner: as in `agent.learner`.
        row: of the problem, as in `agent.problems`.

    Example:
        ```python
        record = record_of(agent.learner, row=0)
        print(len(record.trials), record.incumbents[-1])
        ```
    """
    exact = exact_configs(learner, row)
    trials = (
        SearchTrial(
            number,
            told.reward if math.isfinite(told.reward) else None,
            told.proposer,
            None,
            exact.pop(trial_key(told.config, told.reward), told.config),
            ending_of(told.outcome),
        )
        for number, told in enumerate(told_trials(learner, row))
    )
    space, task = learner.encoding.problems[row].name
    return SearchRecord(f"{task} ({space})", "reward", True, tuple(trials))


def _best(record: SearchRecord, trials: Sequence[SearchTrial]) -> float | None:
    values = [trial.value for trial in trials if trial.value is not None]
    return (max(values) if record.maximise else min(values)) if values else None


def _is_better(record: SearchRecord, one: SearchTrial, other: SearchTrial) -> bool:
    return one.value is not None and (other.value is None or record.is_better(one.value, other.value))


def _number(value: float | None) -> float:
    return 0.0 if value is None else value
