"""Makes agents that have learned from old studies of Optuna."""

import dataclasses
import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Literal

import numpy as np

from ..extras import needed

with needed("optuna", __name__):
    import optuna

from ..agent import Agent
from ..checkpoint.processed_trials import ProcessedTrials
from ..define_by_run.discovery import Parameters, discover
from ..define_by_run.plans import shapes_for
from ..define_by_run.space import recent_configs
from ..learning.config import TrainingConfig, check_config
from ..learning.growth import grow
from ..learning.learner import Learner, new_learner, note
from ..learning.randomness import Purpose, generator
from ..learning.scores import Scores
from ..learning.studying import OldTrials, study
from ..notebook import html_table
from ..searcher import check_seed
from ..spaces.condition import Action
from ..spaces.problem import Problem, check_fill, check_rename
from ..spaces.tables import MinShapes
from ..spaces.vocabulary import counted
from .arguments import as_agent, check_on_failure, check_parameters
from .old_study import OldStudy, check_studies
from .optuna import SPACE
from .optuna.study_search import TO_USER
from .optuna.trials import sign_of, task_of

NameFn = Callable[[optuna.Study], str]
"""From a study to the name of its space or task."""

ProgressFn = Callable[[int, int], bool]
"""From the number of trials learned from, 0 at first, and the number of all trials, to whether to continue."""

_REASONS = {
    "before": "learned from before",
    "failed": "failed",
    "unfinished": "unfinished",
    "unknown": "with parameters that cannot be choices",
}


@dataclasses.dataclass(frozen=True, slots=True)
class StudySummary:
    """The trials of one study, counted by how they were learned from.

    Attributes:
        study: The name of the study.
        space: The name of its space.
        task: The name of its task.
        trials: The number of trials that were learned from.
        before: The number of trials that the agent had learned from before.
        failed: The number of failed trials, which were left out.
        unfinished: The number of trials that are not finished.
        unknown: The number of trials with a parameter whose name or range cannot be that of a choice.
        best: The best value of the trials that came to their end; None without such trials.
        pruned: The number of pruned trials among those that were learned from.

    Example:
        ```python
        agent, report = learn_from_studies(None, [study])
        print({summary.study: summary.best for summary in report.studies})
        ```
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
    pruned: int = 0


@dataclasses.dataclass(frozen=True, slots=True)
class LearningReport:
    """A report of `learn_from_studies`; `print(report)` shows it as text.

    Attributes:
        studies: The summary of each study.
        spaces: For each space, its parameters with their numbers of actions.

    Example:
        ```python
        agent, report = learn_from_studies(None, [study])
        print(report)
        ```
    """

    studies: tuple[StudySummary, ...]
    spaces: Mapping[str, Mapping[str, int]]

    @property
    def trials(self) -> int:
        """The number of all trials that were learned from."""
        return sum(study.trials for study in self.studies)

    def __str__(self) -> str:
        """Returns the report as a few lines of text."""
        noun = "study" if len(self.studies) == 1 else "studies"
        lines = [f"Learned from {self.trials:,} trials of {len(self.studies)} {noun}"]
        for one in self.studies:
            notes = _notes(dataclasses.asdict(one))
            pruned = f", {one.pruned:,} of them pruned" if one.pruned else ""
            best = "" if one.best is None else f", best {one.best:.6g}"
            lines.append(
                f"  {one.study}: space {one.space}, task {one.task}: {one.trials:,} trials{pruned}{best}"
                + (f" ({', '.join(notes) or 'it has none'})" if notes or not one.trials else "")
            )
        for space, parameters in self.spaces.items():
            named = ", ".join(f"{name} ({count})" for name, count in parameters.items())
            lines.append(f"  space {space}: {named}")
        return "\n".join(lines)

    def _repr_html_(self) -> str:
        """Returns a table of the studies, which notebooks show."""
        words = f"from {counted(self.trials, 'trial')} of {counted(len(self.studies), 'study')}"
        rows = []
        for one in self.studies:
            best = "none" if one.best is None else f"{one.best:.6g}"
            left_out = ", ".join(_notes(dataclasses.asdict(one))) or "none"
            trials = f"{one.trials:,}, {one.pruned:,} of them pruned" if one.pruned else one.trials
            rows.append((one.study, one.space, one.task, trials, best, left_out))
        return html_table("Learned", words, ("study", "space", "task", "trials", "best value", "left out"), rows)


class NothingToLearnError(ValueError):
    """The studies have no trial to learn from: the agent knows all finished trials, or none came to a value.

    Attributes:
        known: The number of trials that the agent had learned from before. If it is 0, the studies may be others than
            you think.

    Example:
        ```python
        agent, _ = learn_from_studies(None, [study])
        try:
            learn_from_studies(agent, [study])
        except NothingToLearnError as nothing:
            assert nothing.known == len(study.trials)
        ```
    """

    def __init__(self, studies: Sequence[OldStudy], known: int, on_failure: str) -> None:
        """Creates the error.

        Args:
            studies: The studies, which have been read.
            known: See the class.
            on_failure: How failed trials counted.
        """
        counts = {reason: sum(each.counts[reason] for each in studies) for reason in _REASONS}
        notes = ", ".join(_notes(counts))
        where = f"study {studies[0].study.study_name!r}" if len(studies) == 1 else counted(len(studies), "study")
        ignored = counts["failed"] and on_failure == "ignore"
        super().__init__(
            f"there is nothing to learn from in {where}: no new finished trial{f' ({notes})' if notes else ''}"
            + ("; to learn from failed trials, say on_failure='worst'" if ignored else "")
        )
        self.known = known


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
) -> tuple[Agent, LearningReport]:
    """Returns an agent that has learned from all finished trials of studies, of any sampler, and a report.

    The trials of all studies are mixed at random, so that the agent forgets none of the studies. Another order of the
    studies gives another mixture, as another seed does, and the same configurations to try first. Beyond 32 studies of
    one space, give the newest last: a search begins with configurations of the 32 that were learned from last. A trial
    that the agent learned from before, here or in a `TransferSampler`, is left out. The given agent does not change.

    Args:
        agent: The agent to start from, or its file; None for an agent that knows nothing.
        studies: The studies, each with one objective.
        task: The name of a study's task, or a function of the study; by default the study's name.
        space: The name of a study's space, or a function of the study. Studies of one space may differ in their
            parameters and ranges: the space has all of them.
        rename: From names of parameters in the studies to names that mean the same.
        back_fill: The values of parameters in studies that did not have them, such as `{"dropout": 0.0}`.
        on_failure: See `TransferSampler`.
        seed: The seed of a new agent.
        config: The settings of a new agent. A given agent keeps its own.
        progress: Called when all trials are read, and after each step of learning: each of up to 50 trials is a step,
            and ten trials are a step if there are more than 500. If the function returns False, the agent is returned
            as far as it has learned, and you can learn from the other trials later.

    Raises:
        NothingToLearnError: There is no study, or no study has a trial to learn from; a ValueError.
        TypeError: `studies` is a single study, or has a member that is no study, such as a name; or `config` is no
            TrainingConfig.
        ValueError: An argument is not as described above, a study has several objectives, or `rename` makes one name
            of two.

    Example:
        ```python
        studies = [optuna.load_study(study_name=name, storage="sqlite:///old.db") for name in ("digits", "faces")]
        agent, report = learn_from_studies(None, studies)
        agent.save("agent.safetensors")
        ```
    """
    check_on_failure(on_failure)
    studies, config = check_studies(studies), check_config(config)
    agent, rename, back_fill = as_agent(agent), check_rename(rename), check_fill(back_fill, "back_fill")
    if agent is not None and config is not None:
        raise ValueError("config is for a new agent; the agent that is given keeps its own: leave config out")
    processed = ProcessedTrials() if agent is None else agent.processed.copy()
    found = [
        OldStudy(study, _named(space, study, SPACE), _named(task, study, task_of(study)), rename) for study in studies
    ]
    given = set[int]()
    for one in found:
        stamps = one.read(on_failure, processed, given)
        if stamps and stamps <= given and any(one.record == other.record for other in found if other is not one):
            raise ValueError(f"study {one.study.study_name!r} is there twice")
        given |= stamps
    check_parameters("rename", rename, (name for one in found for name in one.names))
    check_parameters("back_fill", back_fill, (one.renamed(name) for one in found for name in one.names))
    if not any(one.trials for one in found):
        raise NothingToLearnError(found, sum(map(processed.has, given)), on_failure)
    for name, action in back_fill.items():
        _fill(found, name, action)
    turns = [(one, trial) for one in found for trial in one.trials]
    directions = processed.copy()
    for one in found:
        if one.trials and (warning := directions.direction_warning(one.task, sign_of(one.study) > 0)) is not None:
            TO_USER.warning(warning)
        directions.note_direction(one.task, sign_of(one.study) > 0)
    learner = _learner(agent, found, config, check_seed(seed))
    rows = {problem.name: row for row, problem in enumerate(learner.encoding.problems)}
    order = generator(learner.seed, Purpose.STUDIES, learner.learned).permutation(len(turns))
    ordered = [turns[turn] for turn in order.tolist()]
    told = [rows[one.space, one.task] for one, _ in ordered]
    sequences = learner.encoding.sequences(told, [trial.actions for _, trial in ordered])
    scores = Scores(*(np.array([each]) for each in zip(*(trial.score for _, trial in ordered), strict=True)))
    count, together = 0, sequences.at(None)
    goes_on = None if progress is None else lambda done: progress(done, len(ordered))
    if goes_on is None or goes_on(0):
        learner, count = study(learner, OldTrials(np.array([told], np.int32), together, scores), goes_on)
    for one, trial in ordered[:count]:
        processed.add(one.record, trial.number, trial.stamp)
        one.learned.append(trial)
    for one in found:
        if one.learned:
            processed.note_direction(one.task, sign_of(one.study) > 0)
    result = Agent.of(note(learner, [one.archived() for one in found if one.learned]))
    result.processed = processed
    spaces = {problem.space.name: problem.space for problem in learner.encoding.problems}
    sizes = {
        name: {choice.name: len(choice.actions) for choice in spaces[name].choices}
        for name in dict.fromkeys(one.space for one in found)
    }
    return result, LearningReport(tuple(map(_learned, found)), sizes)


def problem_of(study: optuna.Study, *, space: str | NameFn = SPACE, task: str | NameFn | None = None) -> Problem:
    """Returns the problem of a study, whose space is discovered from its trials.

    Args:
        study: The study.
        space: The name of the space, or a function of the study.
        task: The name of the task, or a function of the study; by default the study's name.

    Raises:
        ValueError: The study has several objectives, or no finished trial with a parameter.

    Example:
        ```python
        print(agent.transfer_to([problem_of(study)]).transfer_report)
        ```
    """
    one = OldStudy(study, _named(space, study, SPACE), _named(task, study, task_of(study)), {})
    one.read("worst", ProcessedTrials(), set())
    if not one.parameters.actions:
        raise ValueError(f"study {study.study_name!r} has no finished trial, so that its space is not known")
    return Problem(discover(one.space, one.parameters.actions, one.evidence), one.task)


def _named(name: str | NameFn | None, study: optuna.Study, default: str) -> str:
    found = default if name is None else name if isinstance(name, str) else name(study)
    if not isinstance(found, str) or not found:
        raise ValueError(f"spaces and tasks are named by non-empty strings, not {found!r}")
    return found


def _fill(studies: Sequence[OldStudy], name: str, value: Action) -> None:
    """Gives a parameter its value in the studies that do not have the parameter."""
    having = [one.domains[name] for one in studies if name in one.domains]
    if not having:
        raise ValueError(f"back_fill names {name!r}, but every trial that has it was learned from before")
    try:
        action = having[-1].action(value)  # type: ignore[arg-type]
    except (ValueError, TypeError) as error:
        raise ValueError(f"back_fill gives {name!r} a value that it cannot have: {error}") from None
    lacking = [one for one in studies if name not in one.domains]
    if not lacking:
        TO_USER.warning(f"back_fill is not used for {name!r}: all of the studies have this parameter")
    for one in lacking:
        one.fill(name, action)


def _notes(counts: Mapping[str, int]) -> list[str]:
    """Returns the numbers of trials that are not learned from, each with its reason; those of 0 are left out."""
    return [f"{counts[reason]:,} {words}" for reason, words in _REASONS.items() if counts[reason]]


def _learned(one: OldStudy) -> StudySummary:
    """Returns the summary of a study."""
    name, pruned = one.study.study_name, sum(not trial.whole for trial in one.learned)
    return StudySummary(name, one.space, one.task, len(one.learned), **one.counts, best=one.best, pruned=pruned)


def _learner(agent: Agent | None, studies: Sequence[OldStudy], config: TrainingConfig | None, seed: int) -> Learner:
    """Returns a learner of all problems, with those of the agent first."""
    old = () if agent is None else agent.problems
    spaces = {problem.space.name: problem.space for problem in old}
    min_shapes, grown = MinShapes(), dict(spaces)
    for name in dict.fromkeys(one.space for one in studies):
        parameters = Parameters()
        if name in spaces:
            if any(choice.state != choice.name for choice in spaces[name].choices):
                raise ValueError(f"space {name!r} of the agent has blocks that repeat; give the studies another name")
            parameters.take({choice.name: choice.actions for choice in spaces[name].choices})
        of = [row for row, problem in enumerate(old) if problem.space.name == name]
        evidence = [config for row in of if agent is not None for config in recent_configs(agent.learner, row)]
        for one in studies:
            if one.space == name:
                parameters.take(one.parameters.actions)
                evidence += one.evidence
        grown[name] = discover(name, parameters.actions, evidence)
        min_shapes = MinShapes(*map(max, min_shapes, shapes_for(parameters.actions)))
    problems = {problem.name: dataclasses.replace(problem, space=grown[problem.space.name]) for problem in old}
    for one in studies:
        problems.setdefault((one.space, one.task), Problem(grown[one.space], one.task))
    if agent is None:
        return new_learner(tuple(problems.values()), config or TrainingConfig(), seed, min_shapes=min_shapes)
    return grow(agent.learner, tuple(problems.values()), min_shapes)
