"""From old studies of Optuna's to an agent that has learned from all of them."""

import dataclasses
import heapq
import os
from collections.abc import Callable, Iterable, Mapping, Sequence, Set
from typing import Literal, NamedTuple

import numpy as np
import optuna
from optuna.distributions import BaseDistribution
from optuna.trial import FrozenTrial, TrialState

from ..agent import Agent
from ..evidence import EVIDENCE, told_of
from ..learning.archive import WITH_NUMBERS, Archived, of_trials
from ..learning.config import TrainingConfig
from ..learning.extension import extend
from ..learning.learner import Learner, new_learner, noted
from ..learning.randomness import Use, generator
from ..learning.scores import Score, Scores
from ..learning.studying import study
from ..ledger import Ledger
from ..plans import inside, numbers_of, room_for
from ..searcher import check_seed
from ..spaces.choice import Choice
from ..spaces.condition import Action
from ..spaces.discovery import Parameters, discover
from ..spaces.domain import Domain
from ..spaces.problem import Problem
from ..spaces.tables import Room
from ..spaces.trajectory import Trajectory
from .arguments import agent_of, check_on_failure, check_parameters
from .optuna import SPACE
from .optuna_trials import (
    domain_of,
    record_of,
    same_distribution,
    score_of,
    sign_of,
    stamp_of,
    task_of,
    value_of,
    violation_of,
)

NameFn = Callable[[optuna.Study], str]
"""From a study to the name of its space or task."""

ProgressFn = Callable[[int, int], bool]
"""Told how many trials were learned from, of how many, and returns whether to go on; first told 0 of them."""


@dataclasses.dataclass(frozen=True, slots=True)
class Learned:
    """What was learned from a study.

    Attributes:
        study: its name.
        space: the name of its space.
        task: the name of its task.
        trials: how many of its trials were learned from.
        before: how many of them had been learned from before.
        failed: how many failed, and say nothing.
        unfinished: how many are not finished.
        unknown: how many have a parameter that cannot be a choice, for its name or its range.
        best: the best value of those that came to their end; None where there is none.
    """

    study: str
    space: str
    task: str
    trials: int
    before: int
    failed: int
    unfinished: int
    unknown: int
    best: float | None


@dataclasses.dataclass(frozen=True, slots=True)
class Report:
    """What was learned from studies.

    Attributes:
        studies: from each.
        spaces: for each space, its parameters with the number of actions that each can take.
    """

    studies: tuple[Learned, ...]
    spaces: Mapping[str, Mapping[str, int]]

    @property
    def trials(self) -> int:
        """How many trials were learned from in all."""
        return sum(study.trials for study in self.studies)

    def __str__(self) -> str:
        """Returns the report as a few lines of text."""
        lines = [f"Learned from {self.trials:,} trials of {len(self.studies)} studies"]
        for one in self.studies:
            notes = [
                f"{count:,} {what}"
                for count, what in (
                    (one.before, "before"),
                    (one.failed, "failed"),
                    (one.unfinished, "unfinished"),
                    (one.unknown, "with parameters that cannot be choices"),
                )
                if count
            ]
            best = "" if one.best is None else f", best {one.best:.6g}"
            lines.append(
                f"  {one.study}: space {one.space}, task {one.task}: {one.trials:,} trials{best}"
                + (f" ({', '.join(notes) or 'it has none'})" if notes or not one.trials else "")
            )
        for space, parameters in self.spaces.items():
            named = ", ".join(f"{name} ({count})" for name, count in parameters.items())
            lines.append(f"  space {space}: {named}")
        return "\n".join(lines)


def learn_from_studies(
    agent: Agent | str | os.PathLike[str] | None,
    studies: Iterable[optuna.Study],
    *,
    task: str | NameFn | None = None,
    space: str | NameFn = SPACE,
    rename: Mapping[str, str] | None = None,
    back_fill: Mapping[str, Action] | None = None,
    on_failure: Literal["ignore", "worst"] = "ignore",
    seed: int = 0,
    config: TrainingConfig | None = None,
    progress: ProgressFn | None = None,
) -> tuple[Agent, Report]:
    """Returns an agent that has learned from all finished trials of studies, whatever proposed them, and a report.

    It learns from all studies in turn, so that what it knows is of all of them. A trial that the agent learned from
    before, here or in a `TransferSampler`, is passed over. The agent given stays as it is.

    Args:
        agent: what to go on from, an agent or its file; None for an agent that knows nothing.
        studies: with one objective each.
        task: the name of a study's task, or a function of the study; its own name by default.
        space: the name of a study's space, or a function of the study. Studies of one space may differ in their
            parameters and ranges: the space has all of them.
        rename: from names of parameters in the studies to names that mean the same.
        back_fill: what parameters were in the studies that did not have them, such as `{"dropout": 0.0}`.
        on_failure: see `TransferSampler`.
        seed: of a new agent.
        config: hyperparameters of a new agent.
        progress: told when all trials are read, and after each step of learning: one for each of up to 50 trials, one
            for ten where there are more than 500. Where it says so, the agent is returned as far as it has learned,
            and the trials that are left can be learned from later.

    Raises:
        ValueError: an argument is not as said above; there is no study, one has several objectives, or none has a trial
            to learn from; or `rename` makes one name of two.
    """
    check_on_failure(on_failure)
    agent = agent_of(agent)
    ledger = Ledger() if agent is None else agent.ledger.copy()
    found = [
        _Study(study, _named(space, study, SPACE), _named(task, study, task_of(study)), dict(rename or {}))
        for study in studies
    ]
    given = set[int]()
    for one in found:
        stamps = one.read(on_failure, ledger, given)
        if stamps and stamps <= given and any(one.record == other.record for other in found if other is not one):
            raise ValueError(f"study {one.study.study_name!r} is there twice")
        given |= stamps
    check_parameters("rename", rename or (), (name for one in found for name in one.names))
    check_parameters("back_fill", back_fill or (), (one.renamed(name) for one in found for name in one.names))
    for name, action in (back_fill or {}).items():
        _fill(found, name, action)
    turns = [(one, trial) for one in found for trial in one.trials]
    if not turns:
        raise ValueError(
            f"there is nothing to learn from in {len(found)} studies: no finished trial that is not known already"
        )
    learner = _learner(agent, found, config, check_seed(seed))
    rows = {problem.name: row for row, problem in enumerate(learner.encoding.problems)}
    order = generator(learner.seed, Use.STUDIES, learner.learned).permutation(len(turns))
    ordered = [turns[turn] for turn in order.tolist()]
    told = [rows[one.space, one.task] for one, _ in ordered]
    sequences = learner.encoding.sequences(told, [trial.actions for _, trial in ordered])
    scores = Scores(*(np.array([each]) for each in zip(*(trial.score for _, trial in ordered), strict=True)))
    count, together = 0, Trajectory(*(leaf[None] for leaf in sequences))
    goes_on = None if progress is None else lambda done: progress(done, len(ordered))
    if goes_on is None or goes_on(0):
        learner, count = study(learner, np.array([told], np.int32), together, scores, goes_on)
    for one, trial in ordered[:count]:
        ledger.add(one.record, trial.number, trial.stamp)
        one.learned.append(trial)
    result = Agent.of(noted(learner, [one.archived() for one in found if one.learned]))
    result.ledger = ledger
    spaces = {problem.space.name: problem.space for problem in learner.encoding.problems}
    sizes = {
        name: {choice.name: len(choice.actions) for choice in spaces[name].choices}
        for name in dict.fromkeys(one.space for one in found)
    }
    return result, Report(tuple(one.report() for one in found), sizes)


def problem_of(study: optuna.Study, *, space: str | NameFn = SPACE, task: str | NameFn | None = None) -> Problem:
    """Returns what a study searches, as far as its trials tell.

    Raises:
        ValueError: it has several objectives, or no trial with a parameter.
    """
    one = _Study(study, _named(space, study, SPACE), _named(task, study, task_of(study)), {})
    one.read("worst", Ledger(), set())
    if not one.parameters.actions:
        raise ValueError(f"study {study.study_name!r} has no finished trial, so that its space is not known")
    return Problem(discover(one.space, one.parameters.actions, one.evidence), one.task)


class _Trial(NamedTuple):
    number: int
    stamp: int
    actions: dict[str, Action]
    score: Score
    whole: bool


class _Study:
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
    """

    def __init__(self, study: optuna.Study, space: str, task: str, rename: Mapping[str, str]) -> None:
        if len(study.directions) > 1:
            raise ValueError(
                f"study {study.study_name!r} has {len(study.directions)} objectives; an agent learns from one"
            )
        self.study, self.space, self.task, self._rename = study, space, task, rename
        self.record = ""
        self.trials: list[_Trial] = []
        self.learned: list[_Trial] = []
        self.domains: dict[str, Domain] = {}
        self.parameters = Parameters()
        self.names: dict[str, None] = {}
        self._counts = {"before": 0, "failed": 0, "unfinished": 0, "unknown": 0}
        self._values: list[float] = []
        self._asked: dict[str, _Asked] = {}

    @property
    def evidence(self) -> list[dict[str, Action]]:
        """What trials took that came to their end: it tells when a parameter is asked for."""
        return [trial.actions for trial in self.trials if trial.whole][-EVIDENCE:]

    def read(self, on_failure: str, ledger: Ledger, given: Set[int]) -> set[int]:
        """Takes in the trials that were not learned from before, and returns the stamps of all that are finished.

        Args:
            on_failure: see `TransferSampler`.
            ledger: says which were learned from before.
            given: the stamps of the trials of other studies, of which this one may be a copy.
        """
        trials, stamps = self.study.get_trials(deepcopy=False), set[int]()
        self.record = record_of(self.study.study_name, trials)
        for trial in trials:
            self.names |= dict.fromkeys(trial.params)
            if not trial.state.is_finished():
                self._counts["unfinished"] += 1
                continue
            stamp = stamp_of(trial)
            stamps.add(stamp)
            if trial.state == TrialState.COMPLETE and trial.value is not None and not violation_of(trial):
                self._values.append(trial.value)
            if stamp in given or ledger.has(self.record, trial.number, stamp):
                self._counts["before"] += 1
            elif (score := score_of(trial, sign_of(self.study), on_failure)) is None or not trial.params:
                self._counts["failed"] += 1
            elif (actions := self._actions(trial)) is None:
                self._counts["unknown"] += 1
            else:
                whole = trial.state == TrialState.COMPLETE
                self.trials.append(_Trial(trial.number, stamp, actions, score, whole))
        return stamps

    def archived(self) -> Archived:
        """Returns the best trials that were learned from with the numbers that they tried, as an agent keeps them."""
        best, told = heapq.nlargest(WITH_NUMBERS, self.learned, key=lambda trial: trial.score), []
        trials = self.study.get_trials(deepcopy=False)
        for one in best:
            values = {self.renamed(name): value for name, value in trials[one.number].params.items()}
            told.append((one.actions, numbers_of(one.actions, values), one.score))
        return of_trials(self.space, self.task, told)

    def renamed(self, name: str) -> str:
        """Returns what a parameter of the study is called where it is learned from."""
        return self._rename.get(name, name)

    def report(self) -> Learned:
        """Returns what was learned from it."""
        best = max if sign_of(self.study) > 0 else min
        value = best(self._values) if self._values else None
        return Learned(self.study.study_name, self.space, self.task, len(self.learned), **self._counts, best=value)

    def _actions(self, trial: FrozenTrial) -> dict[str, Action] | None:
        """Returns the actions that a trial took; None where a parameter cannot be a choice."""
        asked, values = dict[str, _Asked](), list[object]()
        for old, value in trial.params.items():
            name = self.renamed(old)
            if name in asked:
                raise ValueError(f"rename: study {self.study.study_name!r} has two parameters that become {name!r}")
            distribution = trial.distributions[old]
            try:
                known = self._asked.get(name)
                if known is None or not same_distribution(known.distribution, distribution):
                    known = self._asked[name] = _Asked(name, distribution)
                asked[name] = known
                values.append(value_of(distribution, value))
            except (ValueError, TypeError, ArithmeticError):
                return None
        if any(self.domains.get(name) is not each.domain for name, each in asked.items()):
            self.domains |= {name: each.domain for name, each in asked.items()}
            self.parameters.take({name: each.domain.actions for name, each in asked.items()})
        return {name: each.action(value) for (name, each), value in zip(asked.items(), values, strict=True)}


class _Asked:
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
        """Returns what a value is called."""
        if type(value) not in (int, str):
            return self.domain.action(value)  # type: ignore[arg-type]
        if (key := (type(value), value)) not in self._called:
            self._called[key] = self.domain.action(value)  # type: ignore[arg-type]
        return self._called[key]


def _named(name: str | NameFn | None, study: optuna.Study, default: str) -> str:
    found = default if name is None else name if isinstance(name, str) else name(study)
    if not isinstance(found, str) or not found:
        raise ValueError(f"spaces and tasks are named by non-empty strings, not {found!r}")
    return found


def _fill(studies: Sequence[_Study], name: str, value: Action) -> None:
    """Gives a parameter the value that it had before it was one, in the studies that do not have it."""
    having = [one.domains[name] for one in studies if name in one.domains]
    if not having:
        raise ValueError(f"back_fill names {name!r}, but every trial that has it was learned from before")
    try:
        action = having[-1].action(value)  # type: ignore[arg-type]
    except (ValueError, TypeError) as error:
        raise ValueError(f"back_fill gives {name!r} a value that it cannot have: {error}") from None
    for one in studies:
        if name not in one.domains:
            one.parameters.take({known: () for known in one.parameters.actions} | {name: (action,)})
            one.trials = [trial._replace(actions={**trial.actions, name: action}) for trial in one.trials]


def _learner(agent: Agent | None, studies: Sequence[_Study], config: TrainingConfig | None, seed: int) -> Learner:
    """Returns a learner of all problems, those of the agent first."""
    old = () if agent is None else agent.problems
    spaces = {problem.space.name: problem.space for problem in old}
    room, grown = Room(), dict(spaces)
    for name in dict.fromkeys(one.space for one in studies):
        parameters = Parameters()
        if name in spaces:
            if any(choice.state != choice.name for choice in spaces[name].choices):
                raise ValueError(f"space {name!r} of the agent has blocks that repeat; give the studies another name")
            parameters.take({choice.name: choice.actions for choice in spaces[name].choices})
        of = [row for row, problem in enumerate(old) if problem.space.name == name]
        evidence = [config for row in of if agent is not None for config in told_of(agent.learner, row)]
        for one in studies:
            if one.space == name:
                parameters.take(one.parameters.actions)
                evidence += one.evidence
        grown[name] = discover(name, parameters.actions, evidence)
        room = Room(*map(max, room, room_for(parameters.actions)))
    problems = {problem.name: dataclasses.replace(problem, space=grown[problem.space.name]) for problem in old}
    for one in studies:
        problems.setdefault((one.space, one.task), Problem(grown[one.space], one.task))
    if agent is None:
        return new_learner(tuple(problems.values()), config or inside(TrainingConfig.fast()), seed, room=room)
    return extend(agent.learner, tuple(problems.values()), room)
