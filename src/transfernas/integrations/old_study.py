"""An old study of Optuna, with the trials and names from which an agent learns."""

import heapq
from collections.abc import Iterable, Mapping, Set
from typing import NamedTuple

import optuna
from optuna.distributions import BaseDistribution
from optuna.trial import FrozenTrial, TrialState

from ..checkpoint.processed_trials import ProcessedTrials
from ..define_by_run.discovery import Parameters
from ..define_by_run.plans import numbers_of
from ..define_by_run.space import EVIDENCE
from ..learning.archive import WITH_NUMBERS, ArchivedProblem, archive_of_trials
from ..learning.scores import Score
from ..spaces.choice import Choice
from ..spaces.condition import Action
from ..spaces.domain import Domain
from .optuna.trials import domain_of, record_of, same_distribution, score_of, sign_of, stamp_of, value_of, violation_of

_LOAD = "optuna.load_study(study_name='digits', storage='sqlite:///studies.db')"


def check_studies(studies: object) -> list[optuna.Study]:
    """Returns the studies of a list or another iterable.

    Raises:
        TypeError: The argument is a single study or a name, or a member is no study.
    """
    if isinstance(studies, optuna.Study):
        raise TypeError(f"studies is a list of studies, as in [study], not the single study {studies.study_name!r}")
    if isinstance(studies, str) or not isinstance(studies, Iterable):
        raise TypeError(f"studies is a list of studies, as in [{_LOAD}], not {studies!r}")
    found = list(studies)
    for one in found:
        if not isinstance(one, optuna.Study):
            raise TypeError(f"studies is a list of studies, as in [{_LOAD}]; {one!r} is none")
    return found


class OldTrial(NamedTuple):
    """A finished trial of a study, to learn from.

    Attributes:
        number: The number of the trial in the study.
        stamp: See `stamp_of`.
        actions: The action of each parameter.
        score: The score.
        whole: Whether the trial came to its end.
    """

    number: int
    stamp: int
    actions: dict[str, Action]
    score: Score
    whole: bool


class OldStudy:
    """A study to learn from.

    Attributes:
        study: The study.
        space: The name of its space.
        task: The name of its task.
        record: The name under which the agent keeps its processed trials.
        trials: The trials to learn from.
        domains: The domain of each parameter in the last trial that had it.
        parameters: The parameters of all trials.
        names: The names of all parameters, as the study has them.
        learned: The trials that were learned from.
        counts: The numbers of trials that are not learned from, by the reason, see `studies.StudySummary`.
    """

    def __init__(self, study: optuna.Study, space: str, task: str, rename: Mapping[str, str]) -> None:
        """Begins without trials.

        Args:
            study: The study.
            space: The name of its space.
            task: The name of its task.
            rename: From names of its parameters to the names in the agent.

        Raises:
            ValueError: The study has several objectives.
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
        """The configurations of trials that came to their end, which show when a parameter is asked for."""
        return [trial.actions for trial in self.trials if trial.whole][-EVIDENCE:]

    @property
    def best(self) -> float | None:
        """The best value of the trials that came to their end and kept all constraints; None without such trials."""
        best = max if sign_of(self.study) > 0 else min
        return best(self._values) if self._values else None

    def read(self, on_failure: str, processed: ProcessedTrials, given: Set[int]) -> set[int]:
        """Reads the trials that were not learned from before, and returns the stamps of all finished trials.

        Args:
            on_failure: See `TransferSampler`.
            processed: The trials that were learned from before.
            given: The stamps of the trials of other studies, of which this study may be a copy.
        """
        trials, stamps = self.study.get_trials(deepcopy=False), set[int]()
        self.record = record_of(self.study.study_name, trials)
        for trial in trials:
            self.names.update(dict.fromkeys(trial.params))
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
        """Returns the best trials that were learned from, with their numbers, as an agent keeps them."""
        # Of trials with one score the earliest is the best, as in Optuna.
        best, told = heapq.nlargest(WITH_NUMBERS, self.learned, key=lambda trial: (trial.score, -trial.number)), []
        trials = self.study.get_trials(deepcopy=False)
        for one in best:
            values = {self.renamed(name): value for name, value in trials[one.number].params.items()}
            told.append((one.actions, numbers_of(one.actions, values), one.score))
        return archive_of_trials(self.space, self.task, told)

    def renamed(self, name: str) -> str:
        """Returns the name of a parameter of the study in the agent."""
        return self._rename.get(name, name)

    def fill(self, name: str, action: Action) -> None:
        """Gives all trials a further parameter, after those that the study has."""
        self.parameters.take({known: () for known in self.parameters.actions} | {name: (action,)})
        self.trials = [trial._replace(actions={**trial.actions, name: action}) for trial in self.trials]

    def _actions(self, trial: FrozenTrial) -> dict[str, Action] | None:
        """Returns the actions of a trial; None if a parameter cannot be a choice."""
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
            self.domains.update((name, each.domain) for name, each in asked.items())
            self.parameters.take({name: each.domain.actions for name, each in asked.items()})
        return {name: each.action(value) for (name, each), value in zip(asked.items(), values, strict=True)}


class _SeenValues:
    """A parameter with the actions of its values, which are kept, except for floats."""

    def __init__(self, name: str, distribution: BaseDistribution) -> None:
        """Takes up a parameter.

        Raises:
            TypeError, ValueError: The parameter cannot be a choice.
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
