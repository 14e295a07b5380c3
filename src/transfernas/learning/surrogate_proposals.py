"""Proposals by a Gaussian process over the trials of declared problems.

The policy learns which actions are good. The process sees all choices of a trial together, and the numbers among them
in their order. Of candidates near the best trials, and some anywhere, it proposes the one with the largest expected
improvement. The other trials stay with the policy, which does not get stuck where the process is wrong, and which
learns from the trials of both.

The process follows from the trials alone, so that no file holds any of it.

Shapes: `replicas` run side by side, a problem has `choices`.
"""

import functools
from collections.abc import Sequence
from dataclasses import replace
from typing import NamedTuple

import numpy as np
from jaxtyping import Bool, Float, Int

from ..processes.threads import one_thread
from ..spaces.trajectory import Trajectory
from .archive import NOT_MADE, indices_of_trials
from .bandit import NOBODY, SURROGATE
from .choice_points import ChoicePoints, is_mostly_numbers
from .eligibility import Excluded, FirstValidFn
from .expected_best import ExpectedRewards, expect_again
from .failure_model import MOST_REFUSED, FailureModel
from .improvement import STALLED, CandidateSearch, PointSpace, parts_to_search
from .learner import Learner
from .randomness import Purpose, generator
from .replay import are_among, fingerprints
from .rollout import Rollout, at_index, blank_rollouts, replace_rows, rollouts_of
from .scores import TrialOutcome
from .source_models import SourceModels
from .surrogate import Hyperparameters, Surrogate
from .surrogate_cache import SurrogateCache
from .value_scale import ValueScale

# Not for tuning. These numbers bound the time of a trial in a long search.
BEST, LATEST, SPREAD = 100, 30, 70
"""The most trials in the process: the best, those of the others that were told last, and a spread of the rest."""

_MOST = 16  # candidates with ranges that are looked at
_EQUAL = 1e-9  # places that differ by less are one
_AT_ONCE = 8  # candidates that are looked at together
_STEPS = 20  # of the search for the kernel, which starts afresh
_REFITTED = 10  # the kernel is found anew when the trials have grown by this part of them

OpenTrials = Sequence[tuple[int, Trajectory, Float[np.ndarray, "choices"]]]
"""Trials without a score: the row of the problem, the trajectory of Shape `[steps]`, and the numbers of ranges."""


class _Told(NamedTuple):
    """Trials in the process, those that count as best first."""

    trials: Int[np.ndarray, "trials"]
    points: Float[np.ndarray, "trials choices"]
    losses: Float[np.ndarray, "trials"]
    scale: ValueScale
    stalled: bool


class _Process(NamedTuple):
    """The process over the trials of one replica.

    Attributes:
        learner: the replicas.
        replica: the replica.
        row: the row of the problem.
        trials: Shape `[trials]`, all trials of the problem, oldest first.
        points: the space of the problem.
        sources: the earlier problems.
    """

    learner: Learner
    replica: int
    row: int
    trials: Int[np.ndarray, "trials"]
    points: ChoicePoints
    sources: SourceModels

    @classmethod
    def of(cls, learner: Learner, replica: int, row: int) -> "_Process":
        points, sources = learner.surrogate_cache.points(learner.encoding, learner.archive, replica, row)
        return cls(learner, replica, row, learner.replay.of(replica, row), points, sources)

    def fitted(self) -> tuple[Surrogate, _Told]:
        """Returns the process, and the trials in it."""
        told = self.told(self.trials)
        return self._fitted(told, self._kernel(), 0), told

    def failed(self) -> Float[np.ndarray, "failed choices"]:
        """Returns the points of failed trials."""
        rows = [one for one in self.learner.failed if one.problem[self.replica] == self.row]
        return self.points_of([(one.trajectory.at(self.replica), one.numbers[self.replica]) for one in rows])

    def points_of(self, trials: Sequence[tuple[Trajectory, Float[np.ndarray, "_"]]]) -> Float[np.ndarray, "_ choices"]:
        """Returns trials without a score as points."""
        if not trials:
            return np.zeros((0, len(self.points.numeric)))
        encoding = self.learner.encoding
        indices = np.concatenate([indices_of_trials(encoding, self.row, trial.at(None)) for trial, _ in trials])
        return self.points.of(indices, np.array([its[1 : 1 + indices.shape[1]] for _, its in trials]))

    def failures(self, told: Float[np.ndarray, "trials choices"]) -> FailureModel | None:
        """Returns how likely configurations are to fail; None where hardly any trial failed, or all did.

        Args:
            told: Shape `[trials, choices]`, the points of trials that did not fail.
        """
        failed = self.failed()
        kind = np.repeat([False, True], [len(told), len(failed)])
        return FailureModel.of(np.concatenate([told, failed]), kind, self.points.numeric)

    def _fitted(self, told: _Told, kernel: Hyperparameters | None, steps: int) -> Surrogate:
        numeric, earlier = self.points.numeric, self.sources.models
        return Surrogate.fitted(told.points, told.losses, numeric, kernel, steps, told.scale, earlier=earlier)

    def told(self, trials: Int[np.ndarray, "trials"]) -> _Told:
        """Returns trials in the process: a bounded number of the given trials, best first."""
        learner, replica, row, replay = self.learner, self.replica, self.row, self.learner.replay
        order = trials[replay.scores.at((replica, trials)).best_first()]
        best, others = order[:BEST], np.sort(order[BEST:])
        latest, rest = others[-LATEST:], others[:-LATEST]
        spread = rest[np.linspace(0, len(rest) - 1, min(SPREAD, len(rest))).round().astype(int)]
        kept = np.concatenate([best, latest, spread])
        losses = replay.scores.at((replica, kept)).losses()
        names, its = replay.fingerprint[replica, kept].tolist(), replay.trials.at((replica, kept))
        indices = learner.surrogate_cache.indices(learner.encoding, row, names, its)
        numbers = replay.numbers[replica, kept, 1 : 1 + indices.shape[1]]
        own = np.flatnonzero(replay.proposer[replica, trials] != NOBODY)
        begins = int(own[0]) if len(own) else len(trials)  # after trials of others, which stalled no search
        stalled = len(trials) - max(begins, 1 + int(np.searchsorted(trials, order[0]))) >= STALLED
        scale = ValueScale.of_search(losses, len(best))
        return _Told(kept, self.points.of(indices, numbers), losses, scale, stalled)

    def _kernel(self) -> Hyperparameters:
        """Returns the kernel that was found for the first trials, at most a tenth fewer than there are."""
        config = self.learner.config.proposal.surrogate
        assert config is not None  # else there is no process
        count = min(config.first, config.first_after_transfer)
        while (more := count + max(1, count // _REFITTED)) <= len(self.trials):
            count = more
        first, replay, cache = self.trials[:count], self.learner.replay, self.learner.surrogate_cache
        score = replay.scores.at((self.replica, first))
        key = replay.fingerprint[self.replica, first].tobytes(), score.outcome.tobytes(), score.reward.tobytes()
        if (found := cache.kernel(self.replica, self.row, key)) is None:
            found = self._fitted(self.told(first), None, _STEPS).hyperparameters
            cache.keep_kernel(self.replica, self.row, key, found)
        return found


def ask_surrogate(
    learner: Learner,
    first_valid: FirstValidFn,
    problem: Int[np.ndarray, "replicas"],
    proposer: Int[np.ndarray, "replicas"],
    rollout: Rollout | None,
    excluded: Excluded,
    open_trials: OpenTrials,
) -> tuple[Int[np.ndarray, "replicas"], Rollout | None]:
    """Returns the proposers and the rollouts after the process has proposed the trials that are its own.

    Args:
        learner: the replicas.
        first_valid: finds the first valid candidate.
        problem: Shape `[replicas]`, the row of the problem.
        proposer: Shape `[replicas]`, the proposers before; they stay where the process proposes nothing.
        rollout: the proposals of other replicas so far; None if there are none.
        excluded: the configurations that must not be proposed again.
        open_trials: the trials that have no score, of all problems.
    """
    due = np.flatnonzero(_are_due(learner, problem))
    if not len(due):
        return proposer, rollout
    proposer = proposer.copy()
    rollout = blank_rollouts(learner.encoding, len(problem)) if rollout is None else rollout
    for at in (due[which : which + 1] for which in range(len(due))):
        found = _propose(learner, first_valid, problem[at], at, excluded, open_trials)
        if found is not None:
            replace_rows(rollout, at, found)
            proposer[at] = SURROGATE
    return proposer, rollout


def unless_it_fails(learner: Learner, find: FirstValidFn) -> FirstValidFn:
    """Returns a function that finds the first valid candidate that is not refused by chance, as it may fail.

    Args:
        learner: a single replica.
        find: finds the first valid candidate; returned as it is where no trial failed.
    """
    off = learner.config.proposal.surrogate is None or learner.encoding.grows
    if off or learner.replicas > 1 or not learner.failed:
        return find
    rng, left = generator(learner.seed, Purpose.FAILURE, learner.sampled), MOST_REFUSED

    @functools.cache
    def model_of(row: int) -> tuple[ChoicePoints, FailureModel | None]:
        process = _Process.of(learner, 0, row)
        if not len(process.trials) or not len(process.failed()):
            return process.points, None
        with one_thread(), np.errstate(all="ignore"):
            return process.points, process.failures(process.told(process.trials).points)

    def first(
        rows: Int[np.ndarray, "sought"], candidates: Int[np.ndarray, "sought candidates choices"]
    ) -> Int[np.ndarray, "sought"]:
        nonlocal left
        points, model = model_of(int(rows[0]))
        if model is None or left <= 0:
            return find(rows, candidates)
        made = candidates[0, :, 1 : 1 + len(points.numeric)]
        made = np.where(made < learner.encoding.tables.decisions.actions.shape[1], made, NOT_MADE)
        kept = np.flatnonzero(rng.random(len(made)) >= model.refusal(points.of(made)))
        left -= len(made) - len(kept)
        at = int(find(rows, candidates[:, kept])[0]) if len(kept) else 0
        return np.array([kept[at] if at < len(kept) else candidates.shape[1]])

    return first


@one_thread()
@np.errstate(all="ignore")
def expected_best(learner: Learner, row: int) -> tuple[int, ExpectedRewards] | None:
    """Returns the trial with the best expected reward, as its number in the replay buffer, and the expected rewards.

    Args:
        learner: a single replica, whose configuration has a surrogate.
        row: the row of the problem.

    Returns:
        None if no trial has a finite reward.
    """
    trials = learner.replay.of(0, row)
    if not (learner.replay.scores.at((0, trials)).outcome == TrialOutcome.FINITE).any():
        return None
    learner = replace(learner, surrogate_cache=SurrogateCache())  # the next trials do not change
    surrogate, told = _Process.of(learner, 0, row).fitted()
    at, expected = expect_again(surrogate, told.points, 0, told.scale)
    return int(told.trials[at]), expected


def _are_due(learner: Learner, problem: Int[np.ndarray, "replicas"]) -> Bool[np.ndarray, "replicas"]:
    """Returns the replicas whose next trial is the process's.

    Where most choices are categories, the process finds nothing that the policy does not find, and costs as much again.
    """
    config = learner.config.proposal.surrogate
    if config is None or learner.encoding.grows or not config.proposes(learner.sampled):
        return np.zeros(len(problem), bool)
    # The earlier problems mislead a process where most promising actions are those that they did not have.
    known = bool(learner.archive) & (learner.unseen.seen_fraction[problem] >= 1.0)
    first = np.where(known, config.first_after_transfer, config.first)
    told = np.array([len(learner.replay.of(replica, row)) for replica, row in enumerate(problem.tolist())])
    numbers = np.array([is_mostly_numbers(one.space) for one in learner.encoding.problems])[problem]
    return numbers & (told >= first)


def _propose(
    learner: Learner,
    first_valid: FirstValidFn,
    row: Int[np.ndarray, "1"],
    replica: Int[np.ndarray, "1"],
    excluded: Excluded,
    open_trials: OpenTrials,
) -> Rollout | None:
    """Returns the proposal for one replica, Shape `[1, ...]`; None if no candidate is worth a trial."""
    process = _Process.of(learner, int(replica[0]), int(row[0]))
    search = _search(process, open_trials)
    for part in search.parts:
        wanted, numbers = _wanted(process, search, part)
        found = _first_of(learner, first_valid, row, replica, excluded, wanted, numbers)
        if found is not None:
            return found
    return None


def _first_of(
    learner: Learner,
    first_valid: FirstValidFn,
    row: Int[np.ndarray, "1"],
    replica: Int[np.ndarray, "1"],
    excluded: Excluded,
    wanted: Int[np.ndarray, "candidates choices"],
    numbers: Float[np.ndarray, "candidates choices"],
) -> Rollout | None:
    """Returns the first of the wanted configurations that may be proposed, Shape `[1, ...]`; None if none may."""
    of_ranges = learner.encoding.problems[int(row[0])].space.has_ranges
    for start in range(0, len(wanted), _AT_ONCE):
        made = wanted[start : start + _AT_ONCE]
        drawn = rollouts_of(learner.encoding, int(row[0]), made)
        refused = np.zeros(len(made), bool)
        if of_ranges:  # the numbers differ from those of all trials
            for indices, its in zip(drawn.action_indices, numbers[start : start + _AT_ONCE], strict=True):
                excluded.configs.give(
                    int(row[0]), indices, np.pad(its, (1, len(indices) - len(its) - 1), constant_values=np.nan)
                )
        else:
            refused |= are_among(fingerprints(np.repeat(row, len(made)), drawn.trajectory), excluded.failed[replica[0]])
        if not (learner.config.proposal.repeats or of_ranges):
            refused |= excluded.refuses(learner, row, at_index(drawn, None), replica)[0]
        drawn = at_index(at_index(drawn, np.argsort(refused, kind="stable")), None)
        eligible = np.array([len(made) - refused.sum()])
        first = first_valid(row, drawn.action_indices)
        first = excluded.first_new(learner, first_valid, row, drawn, first, eligible, replica)
        if first[0] < eligible[0]:
            return at_index(drawn, (slice(None), first[0]))
    return None


def _wanted(
    process: _Process, search: CandidateSearch, part: PointSpace
) -> tuple[Int[np.ndarray, "candidates choices"], Float[np.ndarray, "candidates choices"]]:
    """Returns configurations of a part of the space in the order of their expected improvement.

    Returns:
        The positions of actions, or `NOT_MADE`; and the numbers of ranges, NaN for all other choices. Configurations
        with ranges differ from those of all trials in the process.
    """
    found, points = search.candidates(part), process.points
    if process.learner.encoding.problems[process.row].space.has_ranges:
        found = found[:_MOST]
        near = np.isclose(found[:, None], search.best, rtol=0.0, atol=_EQUAL, equal_nan=True).all(axis=-1)
        found = found[~near.any(axis=1)]
    return points.action_indices(found, search.rng), points.numbers(found)


@one_thread()
@np.errstate(all="ignore")
def _search(process: _Process, open_trials: OpenTrials) -> CandidateSearch:
    """Returns the search for a proposal."""
    (learner, replica, row, trials, points, sources), (surrogate, told) = process, process.fitted()
    pending = process.points_of([(trial, numbers) for at, trial, numbers in open_trials if at == row])
    failed = process.failed()
    without = np.concatenate([pending, failed])
    rng = generator(learner.seed, Purpose.SURROGATE, learner.sampled, replica)
    parts = parts_to_search(points, told.points, told.losses, without, len(trials), told.stalled, len(failed))
    failures = process.failures(told.points)
    return CandidateSearch(surrogate.expecting(without), parts, told.points, sources.best, rng, failures)
