"""An old study of Optuna's, as an agent learns from it: its trials under the names that they are learned by."""

import heapq
from collections.abc import Mapping, Set
from typing import NamedTuple

import optuna
from optuna.distributions import BaseDistribution
from optuna.trial import FrozenTrial, TrialState

from ..checkpoint.processed_trials import ProcessedTrials
from ..define_by_run.discovery import Parameters
from ..define_by_run.evidence import EVIDENCE
from ..define_by_run.plans import numbers_of
from ..learning.archive import WITH_NUMBERS, ArchivedProblem, archive_of_trials
from ..learning.scores import Score
from ..spaces.choice import Choice
from ..spaces.condition import Action
from ..spaces.domain import Domain
from .optuna_trials import domain_of, record_of, same_distribution, score_of, sign_of, stamp_of, value_of, violation_of


class OldTrial(NamedTuple):
    """A finished trial of a study, as it is learned from.

    Attributes:
        number: its number in the study.
        stamp: see `stamp_of`.
        actions: what it took.
        score: how good it was.
        whole: whether it came to its end.
    """

    number: int
    stamp: int
    actions: dict[str, Action]
    score: Score
    whole: bool


class OldStudy:
    """A study, as it is learned from.

    Attributes:
        study: the study.
        space: the name of its space.
        task: the name of its task.
        record: what it is known by.
        trials: those to learn from.
        domains: what each parameter could be in the last trial that had it.
        parameters: all of its trials.
        names: of all parameters of its trials, as the study has them.
        learned: those of its trials that were learned from.
        counts: how many trials are not learned from, by the reason, see `studies.StudySummary`.
    """

    def __init__(self, study: optuna.Study, space: str, task: str, rename: Mapping[str, str]) -> None:
        """Begins with none of its trials.

        Args:
            study: the study.
            space: the name of its space.
            task: the name of its task.
            rename: from names of its parameters to the names that they are learned by.

        Raises:
            ValueError: the study has several objectives.
        """
        if len(study.directions) > 1:
            raise ValueError(
                f"study {study.study_name!r} has {len(study.directions)} objectives; an agent learns from one"
            )
        self.study, self.space, self.task, self._rename = study, space, task, rename
        self.record = ""
        self.trials: list[OldTrial] = []
        self.learned: list[OldTrial] = []
        self.domains: dict[str, Domain] = {}
        self.parameters = Parameters()
        self.names: dict[str, None] = {}
        self.counts = {"before": 0, "failed": 0, "unfinished": 0, "unknown": 0}
        self._values: list[float] = []
        self._asked: dict[str, _SeenValues] = {}

    @property
    def evidence(self) -> list[dict[str, Action]]:
        """What trials took that came to their end: it tells when a parameter is asked for."""
        return [trial.actions for trial in self.trials if trial.whole][-EVIDENCE:]

    @property
    def best(self) -> float | None:
        """The best value of the trials that came to their end and kept all constraints; None where there is none."""
        best = max if sign_of(self.study) > 0 else min
        return best(self._values) if self._values else None

    def read(self, on_failure: str, processed: ProcessedTrials, given: Set[int]) -> set[int]:
        """Takes in the trials that were not learned from before, and returns the stamps of all that are finished.

        Args:
            on_failure: see `TransferSampler`.
            processed: says which were learned from before.
            given: the stamps of the trials of other studies, of which this one may be a copy.
        """
        trials, stamps = self.study.get_trials(deepcopy=False), set[int]()
        self.record = record_of(self.study.study_name, trials)
        for trial in trials:
            self.names |= dict.fromkeys(trial.params)
            if not trial.state.is_finished():
                self.counts["unfinished"] += 1
                continue
            stamp = stamp_of(trial)
            stamps.add(stamp)
            if trial.state == TrialState.COMPLETE and trial.value is not None and not violation_of(trial):
                self._values.append(trial.value)
            if stamp in given or processed.has(stamp):
                self.counts["before"] += 1
            elif (score := score_of(trial, sign_of(self.study), on_failure)) is None or not trial.params:
                self.counts["failed"] += 1
            elif (actions := self._actions(trial)) is None:
                self.counts["unknown"] += 1
            else:
                whole = trial.state == TrialState.COMPLETE
                self.trials.append(OldTrial(trial.number, stamp, actions, score, whole))
        return stamps

    def archived(self) -> ArchivedProblem:
        """Returns the best trials that were learned from with the numbers that they tried, as an agent keeps them."""
        best, told = heapq.nlargest(WITH_NUMBERS, self.learned, key=lambda trial: trial.score), []
        trials = self.study.get_trials(deepcopy=False)
        for one in best:
            values = {self.renamed(name): value for name, value in trials[one.number].params.items()}
            told.append((one.actions, numbers_of(one.actions, values), one.score))
        return archive_of_trials(self.space, self.task, told)

    def renamed(self, name: str) -> str:
        """Returns the name by which a parameter of the study is learned."""
        return self._rename.get(name, name)

    def fill(self, name: str, action: Action) -> None:
        """Gives all trials a parameter that the study does not have, behind those that it has."""
        self.parameters.take({known: () for known in self.parameters.actions} | {name: (action,)})
        self.trials = [trial._replace(actions={**trial.actions, name: action}) for trial in self.trials]

    def _actions(self, trial: FrozenTrial) -> dict[str, Action] | None:
        """Returns the actions that a trial took; None where a parameter cannot be a choice."""
        asked, values = dict[str, _SeenValues](), list[object]()
        for old, value in trial.params.items():
            name = self.renamed(old)
            if name in asked:
                raise ValueError(f"rename: study {self.study.study_name!r} has two parameters that become {name!r}")
            distribution = trial.distributions[old]
            try:
                known = self._asked.get(name)
                if known is None or not same_distribution(known.distribution, distribution):
                    known = self._asked[name] = _SeenValues(name, distribution)
                asked[name] = known
                values.append(value_of(distribution, value))
            except (ValueError, TypeError, ArithmeticError):
                return None
        if any(self.domains.get(name) is not each.domain for name, each in asked.items()):
            self.domains |= {name: each.domain for name, each in asked.items()}
            self.parameters.take({name: each.domain.actions for name, each in asked.items()})
        return {name: each.action(value) for (name, each), value in zip(asked.items(), values, strict=True)}


class _SeenValues:
    """A parameter as trials asked for it: what its values are called is found once, but for floats."""

    def __init__(self, name: str, distribution: BaseDistribution) -> None:
        """Takes up a parameter.

        Raises:
            TypeError, ValueError: it cannot be a choice.
        """
        self.distribution, self.domain = distribution, domain_of(distribution)
        Choice(name, self.domain.actions)
        self._called: dict[tuple[type, object], Action] = {}

    def action(self, value: object) -> Action:
        """Returns the action of a value."""
        if type(value) not in (int, str):
            return self.domain.action(value)  # type: ignore[arg-type]
        if (key := (type(value), value)) not in self._called:
            self._called[key] = self.domain.action(value)  # type: ignore[arg-type]
        return self._called[key]
