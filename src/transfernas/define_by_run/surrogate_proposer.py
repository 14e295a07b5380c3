"""Configurations that a Gaussian process over the trials of a search expects to be best.

The policy learns which actions are good, and sees a number as one of a few bins. The surrogate refines all numbers
together inside of the bins. Of candidates near the best trials, and some anywhere, it proposes the candidate with the
largest expected improvement. Every other trial stays with the policy, which does not get stuck where the process is
wrong.
"""

import bisect
import copy
import random
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import NamedTuple

import numpy as np
from jaxtyping import Float

from ..learning.archive import ArchivedProblem
from ..learning.config import SurrogateConfig
from ..learning.expected_best import ExpectedRewards, expect_again
from ..learning.failure_model import FailureModel
from ..learning.improvement import STALLED, CandidateSearch, parts_to_search
from ..learning.scores import Score, TrialOutcome
from ..learning.source_models import SourceModels, SourceTrials
from ..learning.surrogate import STEPS, Hyperparameters, Surrogate
from ..learning.value_scale import ValueScale
from ..processes.threads import one_thread
from ..spaces.domain import Domain
from ..spaces.schema import Json
from ..spaces.space import SearchSpace
from .plans import ObservedTrial
from .points import WORST, Points, SurrogateProposal, losses

# Not for tuning. These numbers bound the time of a trial in a long search, and set the search for the largest
# improvement. `SurrogateConfig` has the numbers for tuning.
BEST, LATEST, SPREAD = 100, 30, 70
"""The most trials in the process: the best, those that fell behind them last, and a sample of the others."""

_PENDING = 64  # trials without a value that are kept in mind
_REFITTED = 10  # the kernel is found anew when the trials have grown by this part of them
_EQUAL = 1e-9  # places that differ by less are one
_NOWHERE = -9.0  # far from every place
_AT_FIRST = 4  # points that are compared with those of trials at once


AcceptsFn = Callable[[SurrogateProposal], bool]
"""Tells whether a configuration may be proposed."""


class KnownTrials(NamedTuple):
    """The trials in the process: a bounded number, however many were told.

    Attributes:
        best: The best trials, best first.
        latest: The trials that fell behind the best ones last.
        spread: A sample of the others. Without them the process would forget bad regions, and try them again.
        failed: The latest failed trials.
        told: The number of trials with scores that were told.
        improved: That number when a trial was last better than all before it.
    """

    best: tuple[ObservedTrial, ...] = ()
    latest: tuple[ObservedTrial, ...] = ()
    spread: tuple[ObservedTrial, ...] = ()
    failed: tuple[ObservedTrial, ...] = ()
    told: int = 0
    improved: int = 0

    @property
    def stalled(self) -> bool:
        """Whether the latest trials were no better than the best before them."""
        return self.told - self.improved >= STALLED

    @property
    def tell_failures(self) -> bool:
        """Whether there are trials with scores, and trials that failed: some without a score, or with that of one."""
        scores = (one.score for one in self.scored)
        failed = self.failed or any(score is not None and score.outcome == TrialOutcome.FAILED for score in scores)
        return bool(failed) and self.told > 0

    @property
    def scored(self) -> list[ObservedTrial]:
        """All trials with scores."""
        return [*self.best, *self.latest, *self.spread]

    def with_trial(self, trial: ObservedTrial) -> "KnownTrials":
        """Returns the trials with one more, which has a score, or failed."""
        if trial.score is None:
            return self._replace(failed=(*self.failed[1 - _PENDING :], trial))
        at = bisect.bisect_right(self.best, _worse(trial), key=_worse)
        best, told = (*self.best[:at], trial, *self.best[at:]), self.told + 1
        known = self._replace(told=told, improved=self.improved if at else told)
        if len(best) <= BEST:
            return known._replace(best=best)
        latest, spread = (*self.latest, best[-1]), self.spread
        if len(latest) > LATEST:
            oldest, *rest = latest
            latest, spread = tuple(rest), _sampled(spread, oldest, told)
        return known._replace(best=best[:-1], latest=latest, spread=spread)


class SurrogateProposer:
    """Fits a Gaussian process to the trials of one search, and proposes further trials.

    Example:
        ```python
        proposer = SurrogateProposer(SurrogateConfig())
        proposer.add(ObservedTrial({"lr": 0.1}, {"lr": 0.08}, Score.of(-0.4)))
        rng = generator(0, Purpose.SURROGATE, 8)
        found = proposer.propose(space, {"lr": NumericDomain(1e-4, 1.0, log=True)}, (), rng)
        ```
    """

    def __init__(self, config: SurrogateConfig) -> None:
        """Begins without trials.

        Args:
            config: The settings, among them which trials the process proposes.
        """
        self.config = config
        self._trials, self._kernel = KnownTrials(), _FoundKernel()
        self._space: _KnownSpace | None = None

    @property
    def known(self) -> list[ObservedTrial]:
        """The trials in the process, and the latest failed trials."""
        return [*self._trials.scored, *self._trials.failed]

    def copy(self) -> "SurrogateProposer":
        """Returns a copy that changes independently."""
        return copy.copy(self)  # its parts are replaced, never changed

    def add(self, trial: ObservedTrial) -> None:
        """Takes up a trial with a score, or a failed trial."""
        self._trials = self._trials.with_trial(trial)

    def proposes(self, number: int, after_transfer: bool = False) -> bool:
        """Returns whether the process proposes the trial of this number.

        Args:
            number: The number of the trial.
            after_transfer: Whether there are earlier problems.
        """
        first = self.config.first_after_transfer if after_transfer else self.config.first
        return self._trials.told >= first and self.config.proposes(number)

    def propose(
        self,
        space: SearchSpace,
        domains: Mapping[str, Domain],
        pending: Sequence[ObservedTrial],
        rng: np.random.Generator,
        accepts: AcceptsFn | None = None,
        sources: Sequence[ArchivedProblem] = (),
    ) -> SurrogateProposal | None:
        """Returns the configuration with the largest expected improvement; None if all improvements are too small.

        Args:
            space: The space, whose conditions are taken for true.
            domains: The parameters. A parameter without a domain can take every action of the space.
            pending: The trials that are being evaluated.
            rng: Draws the candidates.
            accepts: Tells whether a configuration may be proposed; None if all may.
            sources: The earlier problems, oldest first. They do not change during a search.
        """
        search, tried = self._search(space, domains, pending, rng, sources)
        for part in search.parts:
            for point in _untried(search.candidates(part), tried):
                proposal = self._known_space(space, domains, sources).points.proposal(point)
                if accepts is None or accepts(proposal):
                    return proposal
        return None

    # The user's functions are called elsewhere: they may take long, wait for another search, or divide by 0.
    @one_thread()
    @np.errstate(all="ignore")
    def _search(
        self,
        space: SearchSpace,
        domains: Mapping[str, Domain],
        pending: Sequence[ObservedTrial],
        rng: np.random.Generator,
        sources: Sequence[ArchivedProblem],
    ) -> tuple[CandidateSearch, Float[np.ndarray, "trials parameters"]]:
        """Returns the search for a proposal, and the points of all trials; see `propose`."""
        if not self._kernel.told:  # a search that begins, perhaps after trials of others, has not stalled
            self._trials = self._trials._replace(improved=self._trials.told)
        (points, earlier), known = self._known_space(space, domains, sources), self._trials
        told, found = known.scored, self._kernel.of(points.names)
        rows, values = points.of_told(told), losses(told)
        again = found is None or known.told - self._kernel.told >= len(told) // _REFITTED
        steps, scale = STEPS if again else 0, ValueScale.of_search(values, len(known.best))
        surrogate = Surrogate.fitted(rows, values, points.numeric, found, steps, scale, earlier.models)
        if again:
            self._kernel = _FoundKernel(surrogate.hyperparameters, points.names, known.told)
        without = points.of([*known.failed, *pending])
        failed = _filled(points, without[: len(known.failed)], known.told)
        surrogate = surrogate.expecting(np.concatenate([failed, without[len(known.failed) :]]))
        best = rows[np.argsort(values, kind="stable")]
        tried = np.concatenate([rows, without])
        parts = parts_to_search(points, rows, values, without, known.told, known.stalled, len(known.failed))
        return CandidateSearch(surrogate, parts, best, earlier.best, rng, self._failures(points)), tried

    def refusal(
        self, space: SearchSpace, domains: Mapping[str, Domain], sources: Sequence[ArchivedProblem] = ()
    ) -> Callable[[ObservedTrial], float] | None:
        """Returns the probability to refuse a configuration, which may fail; None where hardly any trial failed.

        Args:
            space: The space.
            domains: The parameters.
            sources: The earlier problems.
        """
        if not self._trials.tell_failures:
            return None
        points = self._known_space(space, domains, sources).points
        with one_thread(), np.errstate(all="ignore"):
            model = self._failures(points)
        return None if model is None else lambda trial: float(model.refusal(points.of([trial]))[0])

    def _failures(self, points: Points) -> FailureModel | None:
        """Returns how likely configurations of a space are to fail; None where hardly any trial failed."""
        known = self._trials
        if not known.tell_failures:
            return None
        failed = np.array([one.score is None or one.score.outcome == TrialOutcome.FAILED for one in self.known])
        raw = np.concatenate([points.of_told(known.scored), points.of(known.failed)])
        filled = np.where(failed[:, None], _filled(points, raw, known.told), raw)
        return FailureModel.of(filled, failed, points.numeric, ~np.isnan(raw[failed]).all(axis=0))

    def _known_space(
        self, space: SearchSpace, domains: Mapping[str, Domain], sources: Sequence[ArchivedProblem]
    ) -> "_KnownSpace":
        """Returns the space as it is known; see `propose`."""
        if self._space is None or not self._space.points.are_of(space, domains):
            points = Points(space, domains)
            self._space = _KnownSpace(points, models_of(sources, points))
        return self._space

    @one_thread()
    @np.errstate(all="ignore")
    def expected_best(
        self, space: SearchSpace, domains: Mapping[str, Domain], sources: Sequence[ArchivedProblem] = ()
    ) -> tuple[ObservedTrial, ExpectedRewards] | None:
        """Returns the trial with the best expected reward, and the expected rewards; None without a finite reward.

        Args:
            space: The space.
            domains: The parameters.
            sources: The earlier problems.
        """
        told = self._trials.scored
        if not any(one.score is not None and one.score.outcome == TrialOutcome.FINITE for one in told):
            return None
        points = Points(space, domains)
        rows, values, found = points.of(told), losses(told), self._kernel.of(points.names)
        scale, models = ValueScale.of_search(values, len(self._trials.best)), models_of(sources, points).models
        surrogate = Surrogate.fitted(rows, values, points.numeric, found, scale=scale, earlier=models)
        best = max(range(len(told)), key=lambda row: told[row].score or WORST)
        at, expected = expect_again(surrogate, rows, best, scale)
        return told[at], expected

    def to_json(self) -> Json:
        """Returns the trials and the kernel as JSON."""
        known, (found, names, fitted_at) = self._trials, self._kernel
        kernel = None if found is None else [found.lengths.tolist(), *map(float, found[1:])]
        trials = [[*map(list, each)] for each in (known.best, known.latest, known.spread, known.failed)]
        return {"trials": trials, "counts": [known.told, fitted_at, known.improved], "found": kernel, "names": [*names]}

    @classmethod
    def from_json(cls, value: Json, config: SurrogateConfig) -> "SurrogateProposer":
        """Returns the proposer that `to_json` described, of this configuration.

        Raises:
            LookupError, TypeError, ValueError: The JSON is not from `to_json`.
        """
        proposer = cls(config)
        best, latest, spread, failed = (tuple(map(_read_observed, each)) for each in value["trials"])
        told, fitted_at, improved = map(int, value["counts"])
        names, found = tuple(map(str, value["names"])), None
        if value["found"] is not None:
            lengths, variance, noise = value["found"]
            if len(lengths) != len(names):
                raise ValueError("there is not one length for each parameter")
            found = Hyperparameters(np.array(lengths, float), float(variance), float(noise))
            if not np.isfinite([*lengths, variance, noise]).all():
                raise ValueError("what was found of the kernel is not finite")
        proposer._trials = KnownTrials(best, latest, spread, failed, told, improved)
        proposer._kernel = _FoundKernel(found, names, fitted_at)
        return proposer


class _FoundKernel(NamedTuple):
    """The kernel that was found last.

    Attributes:
        hyperparameters: The hyperparameters; None before a kernel was found.
        names: The parameters that the lengths are of.
        told: The number of trials that were told when the kernel was found.
    """

    hyperparameters: Hyperparameters | None = None
    names: tuple[str, ...] = ()
    told: int = 0

    def of(self, names: tuple[str, ...]) -> Hyperparameters | None:
        """Returns the hyperparameters for these parameters; None if they were found for others."""
        return self.hyperparameters if self.names == names else None


class _KnownSpace(NamedTuple):
    """A space as it is known, and earlier problems as they look from there."""

    points: Points
    sources: SourceModels


def models_of(entries: Sequence[ArchivedProblem], points: Points) -> SourceModels:
    """Returns the models of earlier problems, oldest first, of which the first replica counts."""
    found = list[SourceTrials]()
    for entry in entries:
        slots = range(int(entry.count[0]))
        scores = zip(entry.scores.outcome[0].tolist(), entry.scores.reward[0].tolist(), strict=True)
        pairs = zip(slots, scores, strict=False)
        trials = [ObservedTrial(entry.config(0, at), entry.numbers(0, at), Score(*score)) for at, score in pairs]
        found.append(SourceTrials(points.of(trials), losses(trials)))
    return SourceModels.of(found, points.numeric)


def _filled(
    points: Points, failed: Float[np.ndarray, "failed parameters"], told: int
) -> Float[np.ndarray, "failed parameters"]:
    """Returns failed trials with random values of what they did not ask for any more, which may have been anything."""
    return np.where(np.isnan(failed), points.settled(failed, np.random.default_rng(told)), failed)


def _sampled(spread: tuple[ObservedTrial, ...], trial: ObservedTrial, told: int) -> tuple[ObservedTrial, ...]:
    """Returns a sample of the trials that are neither among the best nor the latest, each as likely as any."""
    if len(spread) < SPREAD:
        return (*spread, trial)
    at = random.Random(told).randrange(told - BEST - LATEST)  # a generator of NumPy's takes longer
    return spread if at >= SPREAD else (*spread[:at], trial, *spread[at + 1 :])


def _worse(trial: ObservedTrial) -> tuple[float, float]:
    """Returns a sort key, larger for worse trials."""
    outcome, reward = trial.score or WORST
    return -outcome, -reward


def _untried(
    points: Float[np.ndarray, "candidates parameters"], tried: Float[np.ndarray, "trials parameters"]
) -> Iterator[Float[np.ndarray, "parameters"]]:
    """Yields the points that are not among those of trials. At first it compares a few: mostly the first is taken."""
    known, start, end = np.nan_to_num(tried.T, nan=_NOWHERE), 0, _AT_FIRST
    while len(some := points[start:end]):
        start, end = end, 4 * end
        away = np.abs(np.nan_to_num(some, nan=_NOWHERE)[:, :, None] - known).max(axis=1).min(axis=1)
        yield from (point for point, nearest in zip(some, away.tolist(), strict=True) if nearest >= _EQUAL)


def _read_observed(value: Json) -> ObservedTrial:
    actions, numbers, score = value
    known = None if score is None else Score(int(score[0]), float(score[1]))
    if not np.isfinite([*numbers.values(), 0.0 if known is None else known.reward]).all():
        raise ValueError("a number of a trial is not finite")
    return ObservedTrial(dict(actions), {str(name): float(number) for name, number in numbers.items()}, known)
