"""The search of one study of Optuna, with the trials that it has learned from."""

import itertools
import logging
import re
from collections.abc import Hashable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from typing import NamedTuple

import optuna
from optuna.distributions import BaseDistribution
from optuna.trial import FrozenTrial, TrialState

from ...checkpoint.processed_trials import ProcessedTrials
from ...define_by_run.plans import ExternalTrial, ObservedTrial, Params
from ...define_by_run.search import DefineByRunSearch
from ...insight.transfer_log import LogLine
from ...learning.expected_best import NO_PROCESS
from ...spaces.domain import Domain
from ...spaces.vocabulary import close_name, counted, resolve_name
from ..transfer_log import pass_on_waits, search_line
from .trials import endings, is_enqueued, known_domain, record_of, score_of, sign_of, stamp_of, value_of

TO_USER = logging.getLogger("optuna.transfernas")
"""A logger whose messages appear among those of Optuna."""

pass_on_waits(TO_USER)

_ONE_BY_ONE = 250  # up to so many new trials are learned from one by one
_STEPS = 100  # of learning from more trials: for 2,000 old trials, 60, 125 and 250 steps are worth the same
_AT_ONCE = 64  # trials that ask for parameters, or are evaluated elsewhere, at a time
_MADE_UP = re.compile("no-name-[0-9a-f-]{36}")  # the name that Optuna gives to a study without one
_UNNAMED = (
    "This study has no name of its own, so that no later search can know its task. Give one, as in "
    "optuna.create_study(study_name='digits'), or TransferSampler(task='digits')."
)
_SLIPS_AFTER = 10  # trials, after which a name that none of them asked for counts as misspelt


class StudyPlace(NamedTuple):
    """The place of a study.

    Attributes:
        storage: The storage of the study; None in a copy of the sampler.
        study_id: The number of the study in the storage.
        name: The name of the study.
    """

    storage: optuna.storages.BaseStorage | None
    study_id: int
    name: str

    @classmethod
    def of(cls, study: optuna.Study) -> "StudyPlace":
        """Returns the present place of a study."""
        return cls(study._storage, study._study_id, study.study_name)


@dataclass(frozen=True)
class StudySearch:
    """A search of a study, as a value: what changes it returns another one, so an interrupt leaves no change half done.

    Attributes:
        search: The search, which has learned from the finished trials.
        processed: The processed trials of this study and of all others.
        turn: The number of changes of the processed trials. The latest turn of all studies is that of the sampler.
        place: The place of the study.
        sign: 1 if the study maximises, -1 if it minimises.
        on_failure: See `TransferSampler`.
        record: The name under which the processed trials of this study are kept; empty before the first.
        seen: The number of trials that the study had.
        unfinished: The numbers of the trials that were not finished.
        ends: The numbers and stamps of the first and the last trial that was learned from; empty before the first.
        used: The number of the sampler's trials at the latest trial of this study.
        given: The names in `rename` and `fill`, with the argument and the words for the loss if no trial asks for the
            name, until they were checked.
        said: Whether the log has the lines about the begin of the search.
        first: The number of the first trial that asked for a parameter here; None before.
    """

    search: DefineByRunSearch
    processed: ProcessedTrials
    turn: int
    place: StudyPlace
    sign: float
    on_failure: str
    record: str = ""
    seen: int = 0
    unfinished: tuple[int, ...] = ()
    ends: tuple[tuple[int, int], ...] = ()
    used: int = 0
    given: Mapping[str, tuple[str, str]] = field(default_factory=dict)
    said: bool = False
    first: int | None = None
    _domains: dict[str, tuple[BaseDistribution, Domain]] = field(default_factory=dict)
    _params: dict[Hashable, dict[str, tuple[Domain, object]]] = field(default_factory=dict)

    @property
    def name(self) -> str:
        """The name of the study."""
        return self.place.name

    def is_at(self, study: optuna.Study) -> bool:
        """Returns whether a study has the storage, number, and name of this one."""
        return self.place == StudyPlace.of(study)

    def is_of(self, name: str, trials: Sequence[FrozenTrial]) -> bool:
        """Returns whether trials are those of this study, and not of a study made anew under its name, or of a copy."""
        if name != self.name or len(trials) < self.seen:
            return False
        return all(stamp_of(trials[number]) == stamp for number, stamp in self.ends)

    def moved(self, study: optuna.Study, used: int) -> "StudySearch":
        """Returns the search at the present place of its study, with the number of the sampler's trials."""
        return replace(self, place=StudyPlace.of(study), sign=sign_of(study), used=used)

    def knows(self, trial: FrozenTrial) -> bool:
        """Returns whether a trial has asked for a parameter before."""
        return _running_id(trial) in self._params

    def caught_up(
        self, trials: Sequence[FrozenTrial], latest: tuple[ProcessedTrials, int], learns: bool, asking: int = -1
    ) -> "StudySearch":
        """Returns the search that has learned once from each finished trial.

        Args:
            trials: All trials of the study.
            latest: The processed trials of the sampler, and their turn.
            learns: Whether the sampler learns.
            asking: The number of the trial that asks for a parameter.
        """
        search = self.search.forked()
        numbers = [*self.unfinished, *range(self.seen, len(trials))]
        others = [trials[number] for number in numbers if number != asking]
        running = [trial for trial in others if trial.state == TrialState.RUNNING]
        search.evaluated_elsewhere(self._observed(running[-_AT_ONCE:]))
        finished = [number for number in numbers if trials[number].state.is_finished()]
        unfinished = tuple(number for number in numbers if not trials[number].state.is_finished())
        if not learns or not finished:
            if not learns and search.networks is not None:
                self._finish_networks(search, [trials[number] for number in finished])
                return replace(self, search=search, seen=len(trials), unfinished=unfinished)
            return replace(self, search=search)
        record = self.record or record_of(self.name, trials)
        processed, old, stamp = latest[0].copy(), list[ExternalTrial](), 0
        if not self.seen and self.first is None:
            taught = [at for at in finished if trials[at].state != TrialState.FAIL or self.on_failure == "worst"]
            known = sum(processed.has(stamp_of(trials[number])) for number in taught)
            noun = "trial" if len(taught) == 1 else "trials"
            rest = ", and learns from the others first" if known < len(taught) else ""
            failed = f", {len(finished) - len(taught):,} more failed" if len(taught) < len(finished) else ""
            TO_USER.info(
                f"Study {self.name!r} goes on with {len(taught):,} finished {noun}{failed}: the sampler knows "
                f"{known:,} of them{rest}."
            )
        for number in finished:
            stamp = stamp_of(trials[number])
            known = processed.has(stamp)
            self._learn_from(search, trials[number], known, old if len(finished) > _ONE_BY_ONE else None)
            if not known:
                processed.add(record, number, stamp)
        if old:
            search.tell_many(old, min(_STEPS, len(old)))
        processed.note_direction(search.task, self.sign > 0)
        first = self.ends[0] if self.ends else (finished[0], stamp_of(trials[finished[0]]))
        return replace(
            self,
            search=search,
            processed=processed,
            turn=latest[1] + 1,
            record=record,
            seen=len(trials),
            unfinished=unfinished,
            ends=(first, (finished[-1], stamp)),
        )

    def lines(self, learns: bool) -> list[LogLine]:
        """Returns the lines of the log at the begin of the search, once: about the agent, and the name of the task.

        Args:
            learns: Whether the sampler learns.
        """
        if self.said or self.search.learner.learner is None:
            return []
        line = search_line(f"Study {self.name!r}", self.search)
        made_up = learns and self.search.task == self.name and _MADE_UP.fullmatch(self.name)
        return [*([] if line is None else [line]), *([LogLine(logging.INFO, _UNNAMED)] if made_up else [])]

    def warned(self, number: int, finished: bool) -> "StudySearch":
        """Warns once of each name in `rename` and `fill` that no trial asked for.

        The warning comes after the first trial if the name is close to that of a parameter, else some trials later.

        Args:
            number: The number of the trial that asks for its first parameter.
            finished: Whether a trial of the study finished, so that its parameters are known.
        """
        first = number if self.first is None else self.first
        if not self.given or number == first or not finished:
            return replace(self, first=first)
        left = dict[str, tuple[str, str]]()
        for name, (argument, loss) in self.given.items():
            if name in self._domains:
                continue
            if number < first + _SLIPS_AFTER and close_name(self._domains, name) is None:
                left[name] = argument, loss
                continue
            TO_USER.warning(
                f"{argument} names {name!r}, for which no trial of study {self.name!r} asked yet, so that {loss}; they "
                f"ask for {resolve_name(tuple(self._domains), name)}"
            )
        return replace(self, first=first, given=left)

    def domain(self, name: str, distribution: BaseDistribution) -> Domain:
        """Returns the domain of a parameter."""
        return known_domain(self._domains, name, distribution)

    def params(self, trial: FrozenTrial) -> Params:
        """Returns the parameters of a trial that asks for the next one, and keeps them for its next question."""
        values, distributions = trial.params, trial.distributions
        params = self._params.pop(_running_id(trial), {})
        if list(itertools.islice(values, len(params))) != list(params):
            params = {}
        for name, value in itertools.islice(values.items(), len(params), None):
            params[name] = self.domain(name, distributions[name]), value_of(distributions[name], value)
        while len(self._params) >= _AT_ONCE:
            self._params.pop(next(iter(self._params)))
        self._params[_running_id(trial)] = params
        return params

    def _trial_params(self, trial: FrozenTrial) -> Params:
        """Returns the parameters of a trial, with the domains that they had when the trial asked for them."""
        distributions, known = trial.distributions, self._params.get(_running_id(trial), {})
        return {
            name: known.get(name) or (self.domain(name, distributions[name]), value_of(distributions[name], value))
            for name, value in trial.params.items()
        }

    def _observed(self, trials: Sequence[FrozenTrial]) -> dict[Hashable, ObservedTrial]:
        """Returns trials by their numbers, without those whose parameters cannot be choices."""
        found: dict[Hashable, ObservedTrial] = {}
        for trial in trials:
            with suppress(ValueError, TypeError, ArithmeticError):
                found[trial.number] = ObservedTrial.of(self._trial_params(trial))
        return found

    def _finish_networks(self, search: DefineByRunSearch, finished: Sequence[FrozenTrial]) -> None:
        """Takes note of the networks of finished trials that are not learned from."""
        for trial in finished:
            with suppress(ValueError, TypeError, ArithmeticError):
                search.finish(trial.number, self._trial_params(trial), trial.state == TrialState.COMPLETE)

    def _learn_from(
        self, search: DefineByRunSearch, trial: FrozenTrial, known: bool, old: list[ExternalTrial] | None
    ) -> None:
        """Learns from a trial, or recalls the trial if the agent learned from it before this search began.

        Args:
            search: The search that learns.
            trial: The trial.
            known: Whether the agent learned from the trial before.
            old: Takes trials to be learned from together later; None to learn from each trial at once.
        """
        whole, score = trial.state == TrialState.COMPLETE, score_of(trial, self.sign, self.on_failure)
        try:
            params = self._trial_params(trial)
            if known:
                search.recall(params, score, whole)
            elif old is None or score is None or not params or search.asked_for(trial.number):
                search.tell(trial.number, params, score, whole, completed=is_enqueued(trial))
            else:
                search.declare({name: domain for name, (domain, _) in params.items()})
                old.append(ExternalTrial(params, ObservedTrial.of(params, score), whole))
        except (ValueError, TypeError, ArithmeticError) as error:
            TO_USER.warning(f"trial {trial.number} of study {self.name!r} is not learned from: {error}")


def nothing_expected(trials: Sequence[FrozenTrial], search: StudySearch | None) -> str:
    """Returns the reason that no trial of a study is expected to be best, with the remedy."""
    ends, (without_value, with_value) = sum(trial.state.is_finished() for trial in trials), endings(trials)
    if search is None:
        return "no trial of it is finished yet; optimize the study first"
    if search.search.surrogate is None:
        return NO_PROCESS
    if not with_value:
        return (
            f"no trial of it has a value yet. Of {counted(ends, 'finished trial')}, {without_value}; a finite value of "
            f"a trial that breaks no constraint is needed"
        )
    return (
        f"the sampler learned from none of its {counted(ends, 'finished trial')}; use a sampler with learn=True, and "
        f"trials that have parameters"
    )


def _running_id(trial: FrozenTrial) -> Hashable:
    """Returns the identity of a running trial, whose number a study made anew may use for another trial."""
    return trial.number, trial.datetime_start
