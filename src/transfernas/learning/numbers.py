"""The numbers of ranges: for the policy, an action of a range is a part of the range, and a trial has a number of it.

Most numbers are near the best number that was tried in the same part. So the policy finds the parts, and trials of the
same parts refine the numbers.

Shapes: a space has `choices`, S first. Ranges belong to learners of a single replica.
"""

from collections.abc import Collection
from typing import NamedTuple

import numpy as np
from jaxtyping import Bool, Float, Int, UInt64

from ..spaces.condition import Action
from ..spaces.domain import NumericDomain
from ..spaces.encoding import Encoding
from ..spaces.places import middle_bin
from .archive import indices_of_trials
from .learner import Learner
from .randomness import Purpose, generator
from .replay import are_among, fingerprints, identity_of

BEST = 20
"""The number of best trials whose parts may be proposed again, with other numbers, and near whose numbers others are.

Worse configurations may not, because a policy that is wrong about a configuration would propose it again and again.
"""

# Not for tuning. These numbers set how close a number is to a good number of the same part.
_NEAR_ONE = 0.85  # the share of numbers near a good one; the others are uniform in the part
_NEAREST, _FARTHEST = 0.01, 0.5  # distance in widths of a part, log-uniform
_ATTEMPTS, _NEAR_FIRST = 16, 2  # to draw numbers that were not evaluated; of these, the first are near good numbers


class NumberDraw(NamedTuple):
    """Random draws that determine a number of a part: three uniform draws, and one from a standard normal."""

    place: float
    near: float
    nearness: float
    away: float

    @classmethod
    def of(cls, rng: np.random.Generator) -> "NumberDraw":
        """Returns new draws."""
        place, near, nearness = rng.random(3).tolist()
        return cls(place, near, nearness, float(rng.standard_normal()))

    def number(self, domain: NumericDomain, position: int, known: float | None) -> float:
        """Returns a number of a part of a range.

        Args:
            domain: the range.
            position: the position of the part.
            known: a good number of the part; None if none is known.
        """
        part = domain.bins[position]
        if part.low == part.high or self.near >= _NEAR_ONE or known is None:
            return domain.value(position, self.place)
        near = domain.near(known, _NEAREST * (_FARTHEST / _NEAREST) ** self.nearness, self.away)
        return near if domain.position(near) == position else domain.value(position, self.place)


def middle_actions(encoding: Encoding, row: int) -> Bool[np.ndarray, "choices options"]:
    """Returns the actions that each choice of a problem may take in the middle of all ranges."""
    tables, space = encoding.tables, encoding.problems[row].space
    found = np.ones((tables.rules.decision.shape[1], tables.decisions.actions.shape[1]), bool)
    for index, choice in enumerate(space.choices, start=1):
        if choice.range is not None:
            found[index] = np.arange(found.shape[1]) == middle_bin(choice.range)
    return found


class CandidateConfigs:
    """The configurations of the candidates of a proposal."""

    def __init__(self, encoding: Encoding) -> None:
        """Takes the problems."""
        self.encoding = encoding

    def config(self, row: int, action_indices: Int[np.ndarray, "choices"]) -> dict[str, Action]:
        """Returns a candidate as a configuration.

        Args:
            row: the row of the problem.
            action_indices: Shape `[choices]`, the positions of the actions, as in a `Rollout`.
        """
        return self.encoding.config_of_indices(row, action_indices)

    def identity(self, row: int, fingerprint: int, action_indices: Int[np.ndarray, "choices"]) -> int:
        """Returns a number that two candidates share if they have one configuration; see `replay.identity_of`."""
        return fingerprint

    def is_new(self, row: int, fingerprint: int, action_indices: Int[np.ndarray, "choices"]) -> bool:
        """Returns whether the numbers of a candidate were not evaluated, and are not; True without ranges."""
        return True

    def draw_again(self, row: int, action_indices: Int[np.ndarray, "choices"]) -> bool:
        """Forgets the numbers of a candidate, which are refused; returns whether others may be drawn for it."""
        return False

    def identities(self, pending: UInt64[np.ndarray, "pending"]) -> frozenset[int]:
        """Returns the `replay.identity_of` of trials that are being evaluated, from their `replay.fingerprints`."""
        return frozenset(pending.tolist())

    def give(self, row: int, action_indices: Int[np.ndarray, "choices"], numbers: Float[np.ndarray, "choices"]) -> None:
        """Sets the numbers of a candidate, which are then not drawn; of several, the first that are given count."""

    def repeatable(self, row: int) -> UInt64[np.ndarray, "again"]:
        """Returns the fingerprints of trials of a problem whose actions may be proposed again, with other numbers."""
        return np.zeros(0, np.uint64)


class NumberDraws(CandidateConfigs):
    """The configurations of the candidates of a proposal, with a number of each range.

    A candidate keeps its numbers until they are refused. So the user's `valid` and `key` see the configuration that is
    proposed.
    """

    def __init__(self, learner: Learner, pending: Collection[int] = ()) -> None:
        """Takes the learner that proposes.

        Args:
            learner: the learner.
            pending: the `replay.identity_of` of trials that are being evaluated.
        """
        super().__init__(learner.encoding)
        self._learner, self._pending, self._rows = learner, frozenset(pending), dict[int, _GoodNumbers]()
        self._given: dict[tuple[int, bytes], Float[np.ndarray, choices]] = {}
        self._drawn: dict[tuple[int, bytes], Float[np.ndarray, choices]] = {}
        self._rng = generator(learner.seed, Purpose.VALUE, learner.sampled)

    def give(self, row: int, action_indices: Int[np.ndarray, "choices"], numbers: Float[np.ndarray, "choices"]) -> None:
        """See `CandidateConfigs.give`."""
        self._good(row)
        self._given.setdefault((row, _key(action_indices)), numbers)

    def numbers(self, row: int, action_indices: Int[np.ndarray, "choices"]) -> Float[np.ndarray, "choices"]:
        """Returns the numbers of a candidate; NaN for choices that have no range or are not made."""
        good, key = self._good(row), (row, _key(action_indices))
        drawn = self._drawn.get(key)
        if drawn is None:
            given = self._given.get(key, np.full(len(action_indices), np.nan))
            made = self.encoding.sequences([row], [self.encoding.config_of_indices(row, action_indices)])
            fingerprint = int(fingerprints(np.array([row], np.int32), made)[0])
            evaluated = self._evaluated(fingerprint)
            drawn = self._draw(row, action_indices, given, good)
            for attempt in range(1, _ATTEMPTS):
                if identity_of(fingerprint, drawn) in evaluated:
                    drawn = self._draw(row, action_indices, given, good, anywhere=attempt >= _NEAR_FIRST)
            self._drawn[key] = drawn
        return drawn

    def draw_again(self, row: int, action_indices: Int[np.ndarray, "choices"]) -> bool:
        """See `CandidateConfigs.draw_again`."""
        key = row, _key(action_indices)
        drawn, given = self._drawn.pop(key, None), self._given.pop(key, None)
        return drawn is not None and (given is None or not np.array_equal(drawn, given, equal_nan=True))

    def _draw(
        self,
        row: int,
        action_indices: Int[np.ndarray, "choices"],
        given: Float[np.ndarray, "choices"],
        good: "_GoodNumbers",
        anywhere: bool = False,
    ) -> Float[np.ndarray, "choices"]:
        """Returns new numbers of a candidate, near good ones or anywhere in the parts."""
        found = given.copy()
        for at, choice in enumerate(self.encoding.problems[row].space.choices, start=1):
            index = int(action_indices[at])
            if choice.numbers is not None and index < len(choice.actions) and np.isnan(found[at]):
                known = None if anywhere else good.of_action(at, index)
                found[at] = NumberDraw.of(self._rng).number(choice.numbers, index, known)
        return found

    def _evaluated(self, fingerprint: int) -> frozenset[int]:
        """Returns the identities of trials with a fingerprint, and of those that are being evaluated."""
        replay = self._learner.replay
        same = np.flatnonzero(replay.fingerprint[0, : replay.count] == np.uint64(fingerprint))
        return self._pending | set(replay.identities(0, same))

    def is_new(self, row: int, fingerprint: int, action_indices: Int[np.ndarray, "choices"]) -> bool:
        """See `CandidateConfigs.is_new`."""
        return self.identity(row, fingerprint, action_indices) not in self._evaluated(fingerprint)

    def config(self, row: int, action_indices: Int[np.ndarray, "choices"]) -> dict[str, Action]:
        """See `CandidateConfigs.config`."""
        return self.encoding.config_of_indices(row, action_indices, self.numbers(row, action_indices))

    def identity(self, row: int, fingerprint: int, action_indices: Int[np.ndarray, "choices"]) -> int:
        """See `CandidateConfigs.identity`."""
        return identity_of(fingerprint, self.numbers(row, action_indices))

    def identities(self, pending: UInt64[np.ndarray, "pending"]) -> frozenset[int]:
        """See `CandidateConfigs.identities`; the learner's owner gave them."""
        return self._pending

    def repeatable(self, row: int) -> UInt64[np.ndarray, "again"]:
        """See `CandidateConfigs.repeatable`."""
        return self._good(row).repeatable

    def _good(self, row: int) -> "_GoodNumbers":
        if row not in self._rows:
            self._rows[row] = _GoodNumbers.of(self._learner, row)
            earlier, replay = self._learner.warm_start, self._learner.replay
            if earlier is not None:  # a configuration of the warm start has its own numbers, the first time
                (names, *_), (filled, *_) = earlier.slots(np.array([row]))
                new = filled & ~are_among(names, replay.fingerprint[0, replay.of(0, row)])
                for slot in np.flatnonzero(new).tolist():
                    self.give(row, earlier.action_indices[0, row, slot], earlier.values[0, row, slot])
        return self._rows[row]


class _GoodNumbers(NamedTuple):
    """Numbers of the best trials of a problem, best first, and of the warm start.

    Attributes:
        action_indices: Shape `[trials, choices]`, the positions of the actions, or `NOT_MADE`.
        numbers: Shape `[trials, choices]`, the numbers of ranges; NaN for other choices.
        repeatable: see `CandidateConfigs.repeatable`.
    """

    action_indices: Int[np.ndarray, "trials choices"]
    numbers: Float[np.ndarray, "trials choices"]
    repeatable: UInt64[np.ndarray, "again"]

    @classmethod
    def of(cls, learner: Learner, row: int) -> "_GoodNumbers":
        replay, earlier = learner.replay, learner.warm_start
        best = replay.ranked(0, replay.of(0, row), distinct=False)[:BEST]
        indices = indices_of_trials(learner.encoding, row, replay.trials.at((0, best)))
        numbers = replay.numbers[0, best, 1 : 1 + indices.shape[1]]
        repeatable = replay.fingerprint[0, best[~np.isnan(numbers).all(axis=1)]]
        if earlier is not None:
            here = 0, row, slice(int(earlier.count[0, row])), slice(1, 1 + indices.shape[1])
            indices = np.concatenate([indices, earlier.action_indices[here]])
            numbers = np.concatenate([numbers, earlier.values[here]])
        return cls(indices, numbers, repeatable)

    def of_action(self, choice: int, action: int) -> float | None:
        """Returns the best number of an action; None if none is known. The first choice is S."""
        known = self.numbers[(self.action_indices[:, choice - 1] == action), choice - 1]
        known = known[~np.isnan(known)]
        return float(known[0]) if len(known) else None


def configs_of(learner: Learner, pending: Collection[int] = ()) -> CandidateConfigs:
    """Returns the configurations of the candidates of a learner's next proposal; see `NumberDraws`."""
    return NumberDraws(learner, pending) if learner.encoding.has_ranges else CandidateConfigs(learner.encoding)


def _key(action_indices: Int[np.ndarray, "choices"]) -> bytes:
    return action_indices.astype(np.int32).tobytes()
