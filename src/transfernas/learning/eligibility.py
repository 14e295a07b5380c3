"""Configurations that may be proposed: valid ones, that were not evaluated before.

Shapes: `sought` replicas seek a configuration among `candidates`.
"""

import functools
import math
from collections.abc import Callable, Hashable
from typing import NamedTuple

import numpy as np
from jaxtyping import Bool, Int, UInt64

from ..spaces.space import SearchSpace
from .learner import Learner
from .network_cache import Networks
from .numbers import CandidateConfigs
from .replay import are_among, fingerprints
from .rollout import Rollout

_DRAWS = 4  # of the numbers of a candidate that the problem refuses

RowIndices = Int[np.ndarray, "sought"]
ActionIndices = Int[np.ndarray, "sought candidates choices"]
FirstValidFn = Callable[[RowIndices, ActionIndices], RowIndices]
"""From problems and candidates for each to the position of the first valid candidate; their number if none is valid."""


class Excluded(NamedTuple):
    """The configurations that must not be proposed again.

    Attributes:
        pending: see `propose`.
        repeatable: see `propose`.
        networks: the networks that each replica evaluated or evaluates, see `NetworkCache.known`.
        configs: the configurations of the candidates.
        failed: Shape `[replicas, failed]`, see `failed_trials.failed_fingerprints`.
    """

    pending: UInt64[np.ndarray, "pending"]
    repeatable: UInt64[np.ndarray, "again"]
    networks: tuple[Networks | None, ...]
    configs: CandidateConfigs
    failed: UInt64[np.ndarray, "replicas failed"]

    def refuses(
        self,
        learner: Learner,
        problem: Int[np.ndarray, "sought"],
        candidates: Rollout,
        sought: Int[np.ndarray, "sought"],
    ) -> Bool[np.ndarray, "sought candidates"]:
        """Returns which candidates were evaluated; none where every configuration of a problem was.

        Failed ones are among them as long as there are configurations that were neither evaluated nor failed, but not
        those of a problem with a key: a network that failed counts as not evaluated.

        Args:
            learner: the replicas.
            problem: Shape `[sought]`, the row of the problem.
            candidates: Shape `[sought, candidates, ...]`, the candidates.
            sought: the replicas that the candidates are for.
        """
        replay, shape = learner.replay, candidates.action_indices.shape[:2]
        fingerprint = fingerprints(np.broadcast_to(problem[:, None], shape), candidates.trajectory)
        refused = replay.contains(sought, fingerprint) | are_among(fingerprint, self.pending)
        refused &= ~are_among(fingerprint, self.repeatable)
        keyed = np.array([self.networks[replica] is not None for replica in sought.tolist()])
        failed = are_among(fingerprint, self.failed[sought, None]) & ~refused & ~keyed[:, None]
        for at in np.flatnonzero((refused | failed).any(axis=1)).tolist():
            replica, row = int(sought[at]), int(problem[at])
            trials, its = replay.of(replica, row), frozenset(self.failed[replica].tolist()) - {0}
            refused[at] &= self._any_left(learner, replica, row, trials)
            failed[at] &= bool(its) and self._any_left(learner, replica, row, trials, its)
        return refused | failed

    def first_new(
        self,
        learner: Learner,
        find: FirstValidFn,
        problem: Int[np.ndarray, "sought"],
        candidates: Rollout,
        first: Int[np.ndarray, "sought"],
        eligible: Int[np.ndarray, "sought"],
        sought: Int[np.ndarray, "sought"],
    ) -> Int[np.ndarray, "sought"]:
        """Returns the first valid candidates that are new; the key sees candidate by candidate.

        A candidate is new if its network was not evaluated, and if the numbers of its ranges were not.

        Args:
            learner: the replicas.
            find: finds the first valid candidate.
            problem: Shape `[sought]`, the row of the problem.
            candidates: Shape `[sought, candidates, ...]`, in the order in which they are wanted.
            first: Shape `[sought]`, the positions of the first valid candidates.
            eligible: Shape `[sought]`, the number of candidates that may be proposed.
            sought: the replicas that the candidates are for.
        """
        if all(known is None for known in self.networks) and not learner.encoding.has_ranges:
            return first
        found, count = first.copy(), candidates.action_indices.shape[1]
        replay = learner.replay
        fingerprint = fingerprints(np.broadcast_to(problem[:, None], (len(sought), count)), candidates.trajectory)
        for at, replica in enumerate(sought.tolist()):
            known, row = self.networks[replica], int(problem[at])
            if not self._any_left(learner, replica, row, replay.of(replica, row)):
                continue
            while found[at] < eligible[at]:
                here = at, int(found[at])
                name, indices = int(fingerprint[here]), candidates.action_indices[here]
                if self.configs.is_new(row, name, indices) and (
                    known is None or self.network(learner, row, name, indices) not in known
                ):
                    break
                behind = here[1] + 1
                rest = candidates.action_indices[at : at + 1, behind:]
                found[at] = behind + (int(find(problem[at : at + 1], rest)[0]) if behind < count else 0)
        return found

    def _any_left(
        self,
        learner: Learner,
        replica: int,
        row: int,
        trials: Int[np.ndarray, "trials"],
        failed: frozenset[int] = frozenset(),
    ) -> bool:
        """Returns whether a problem may have configurations left that the replica did not try, nor failed at."""
        space = learner.encoding.problems[row].space
        count = len(trials) + len(self.pending) + len(failed)
        # A lower bound, because comparing two equal spaces takes long.
        if count < math.prod(len(choice.actions) for choice in space.choices if choice.when is None):
            return True
        if count < (size := _size(space)):
            return True
        tried = set(learner.replay.identities(replica, trials)) | self.configs.identities(self.pending)
        return len(tried | failed) < size

    def network(
        self, learner: Learner, row: int, fingerprint: int, action_indices: Int[np.ndarray, "choices"]
    ) -> Hashable:
        """Returns the network that a candidate of a problem with a key builds.

        Args:
            learner: the replicas.
            row: the row of the problem.
            fingerprint: the fingerprint of the candidate, see `replay.fingerprints`.
            action_indices: Shape `[choices]`, the positions of the candidate's actions.
        """
        config = functools.partial(self.configs.config, row, action_indices)
        identity = self.configs.identity(row, fingerprint, action_indices)
        return learner.network_cache.network(learner.encoding, row, identity, config)


def first_valid_of(configs: CandidateConfigs, rows: RowIndices, action_indices: ActionIndices) -> RowIndices:
    """Returns the position of the first candidate of each row that the problem's own `valid` accepts.

    Args:
        configs: the configurations of the candidates.
        rows: see `FirstValidFn`.
        action_indices: see `FirstValidFn`.
    """
    pairs = zip(rows.tolist(), action_indices, strict=True)
    return np.array([_first_valid(configs, row, candidates) for row, candidates in pairs])


def _first_valid(configs: CandidateConfigs, row: int, candidates: Int[np.ndarray, "candidates choices"]) -> int:
    valid = configs.encoding.problems[row].valid
    if valid is None:
        return 0
    for at, actions in enumerate(candidates):
        for _ in range(_DRAWS):
            if valid(configs.config(row, actions)):
                return at
            if not configs.draw_again(row, actions):
                break
    return len(candidates)


@functools.lru_cache(maxsize=1_000)
def _size(space: SearchSpace) -> float:
    try:
        return space.size
    except ValueError:  # too large to be counted
        return math.inf
