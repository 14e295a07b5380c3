"""What a trial is to take that is asked for parameter by parameter: its plan, and the values that stand for actions."""

import dataclasses
import itertools
from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

import numpy as np
from jaxtyping import UInt64

from .learning.config import TrainingConfig
from .learning.history import keys
from .learning.learner import Learner
from .spaces.condition import Action, among, same
from .spaces.domain import Categories, Domain, Numbers
from .spaces.encoding import Room, Trajectory, power_of_two
from .spaces.schema import Json

ROOM = Room(
    states=16, names=256, tasks=4, choices=16, steps=16, decisions=16, actions=16, terms=4, literals=2, slots=256
)
"""A search of up to 15 parameters compiles what any other such search did."""

EVIDENCE = 300
"""So many trials at most tell when a parameter is asked for."""

ROW = np.zeros(1, np.int32)
"""The one problem of a search, of one replica."""

_LARGEST = 1e37  # of a reward, in single precision: what is infinite counts as this
_BEST = 20  # values of the so many best trials are varied
_VARIED = 0.85  # share of the values that are near one of the best trials', in a bin where there is one
_NEAREST, _FARTHEST = 0.01, 0.5  # how near, in widths of a bin; uniform in its logarithm

Made = Mapping[str, tuple[Domain, object]]
"""The parameters of a trial in the order in which they were asked for: what each could be, and what it is."""


def inside(config: TrainingConfig) -> TrainingConfig:
    """Returns hyperparameters as they are inside of other tools.

    Where there are two policies they learn less from a trial, for it must cost no more than with TPE; and new bins of a
    range are nothing to be curious of.
    """
    return dataclasses.replace(config, pair_steps=min(config.pair_steps, 128), curious_of_numbers=False)


def actions_of(made: Made) -> dict[str, Action]:
    """Returns what the values of a trial are called."""
    return {name: domain.action(value) for name, (domain, value) in made.items()}  # type: ignore[arg-type]


def bounded(reward: float) -> float:
    """Returns a reward that may be infinite as one of a size that an agent takes."""
    return min(max(reward, -_LARGEST), _LARGEST)


def winsorised(rewards: Sequence[float]) -> float:
    """Returns the last of some rewards on the scale of all: REINFORCE follows its size, not only its order."""
    low, middle, high = np.quantile(rewards, (0.25, 0.5, 0.75))
    return 0.5 + 0.25 * float(np.clip((rewards[-1] - middle) / ((high - low) or 1.0), -3.0, 3.0))


def room_for(actions: Mapping[str, tuple[Action, ...]]) -> Room:
    """Returns room for trials that may make all of these choices, whenever the space says that they are made."""
    steps, slots = 1 + len(actions), 1 + sum(map(len, actions.values()))
    return ROOM._replace(steps=power_of_two(max(ROOM.steps, steps)), slots=power_of_two(max(ROOM.slots, slots)))


def batch_of_one(trajectory: Trajectory) -> Trajectory:
    """Returns a trajectory as that of one replica."""
    return Trajectory(*(np.asarray(leaf)[None] for leaf in trajectory))


def key_of(trajectory: Trajectory) -> np.uint64:
    """Returns what a trajectory is known by, see `history.keys`."""
    return np.uint64(keys(ROW, batch_of_one(trajectory))[0])


@dataclasses.dataclass
class Plan:
    """What a trial is to take.

    Attributes:
        number: counts the trials.
        member: who proposed it.
        actions: of all parameters that it will be asked for, as far as is known.
        key: of its configuration.
        given: the values that were given.
        rng: draws them.
        seen: of how many parameters of the trial it is known that they are as planned.
        passed: how many of the actions are behind the trial.
    """

    number: int
    member: int
    actions: dict[str, Action]
    key: np.uint64
    given: dict[str, object]
    rng: np.random.Generator
    seen: int = 0
    passed: int = 0

    def goes_on(self, made: Made, name: str, domain: Domain) -> bool:
        """Returns whether a trial took what was planned, and asks for what is planned next."""
        if len(made) < self.seen:  # another trial of its number
            self.seen = self.passed = 0
        for known, (its, value) in itertools.islice(made.items(), self.seen, None):
            if known not in self.actions:
                return False
            as_given = known in self.given and self.given[known] == value
            if not as_given and not same(its.action(value), self.actions[known]):  # type: ignore[arg-type]
                return False
        self.seen = len(made)
        for following in itertools.islice(self.actions, self.passed, None):
            if following not in made:
                return following == name and among(self.actions[name], domain.actions)
            self.passed += 1
        return False

    def put(self, name: str, action: Action) -> None:
        """Takes up a parameter that is asked for next, and was not foreseen; the plan is nobody's proposal then."""
        actions = list(self.actions.items())
        self.actions = dict([*actions[: self.passed], (name, action), *actions[self.passed :]])
        self.member = -1


class Told(NamedTuple):
    """A trial that was told, and what its configuration is known by."""

    reward: float
    actions: dict[str, Action]
    values: dict[str, object]
    key: np.uint64 = np.uint64(0)


class Best:
    """The best trials so far: a bin stands for many numbers, and those near the best ones' are better."""

    def __init__(self) -> None:
        """Begins without any."""
        self._trials: list[Told] = []

    @property
    def trials(self) -> tuple[Told, ...]:
        """The trials, best first."""
        return tuple(self._trials)

    def add(self, trial: Told) -> bool:
        """Takes up a trial, and returns whether it was good enough."""
        self._trials = sorted([*self._trials, trial], key=lambda one: -one.reward)[:_BEST]
        return any(one is trial for one in self._trials)

    def varied(self, domains: Mapping[str, Domain]) -> UInt64[np.ndarray, "trials"]:
        """Returns the keys of those trials of which an action stands for more than one value."""
        numbers = {name for name, each in domains.items() if isinstance(each, Numbers) and each.continuous}
        return np.array([trial.key for trial in self._trials if not numbers.isdisjoint(trial.actions)], np.uint64)

    def rekey(self, key: Callable[[Mapping[str, Action]], np.uint64]) -> None:
        """Finds the keys of the trials anew, where what they follow from has changed."""
        self._trials = [trial._replace(key=key(trial.actions)) for trial in self._trials]

    def value(self, name: str, action: Action, domain: Domain, rng: np.random.Generator) -> object:
        """Returns a value of an action of a parameter.

        Args:
            name: of the parameter.
            action: one of the domain's.
            domain: what the parameter can be.
            rng: for numbers.
        """
        position = next(at for at, known in enumerate(domain.actions) if same(known, action))
        if isinstance(domain, Categories):
            return domain.values[position]
        part = domain.bins[position]
        chance, varied, nearness = rng.random(3).tolist()
        away = float(rng.standard_normal())
        if part.low == part.high or varied >= _VARIED:
            return domain.value(position, chance)
        for trial in self._trials:
            if trial.actions.get(name) == action:
                spread = _NEAREST * (_FARTHEST / _NEAREST) ** nearness
                near = domain.near(trial.values[name], spread, away)  # type: ignore[arg-type]
                return near if domain.position(near) == position else domain.value(position, chance)
        return domain.value(position, chance)

    def to_json(self) -> Json:
        """Returns the trials as JSON, with those values that others are found near."""
        return [
            [one.reward, one.actions, {n: v for n, v in one.values.items() if type(v) in (int, float)}]
            for one in self._trials
        ]

    @classmethod
    def from_json(cls, value: Json) -> "Best":
        """Returns the trials that `to_json` described."""
        best = cls()
        best._trials = [Told(*each) for each in value]
        return best


def told_of(learner: Learner, row: int) -> list[dict[str, Action]]:
    """Returns what the latest trials of a problem of an agent's took, at most `EVIDENCE`."""
    encoding, history = learner.encoding, learner.history
    return [
        encoding.config(row, Trajectory(*(leaf[0, number] for leaf in history.trials)))
        for number in history.of(0, row)[-EVIDENCE:].tolist()
    ]


def filled(domain: Domain, name: str, value: Action) -> Action:
    """Returns the action of a value that `fill` gives a parameter.

    Raises:
        ValueError: the parameter cannot have it.
    """
    try:
        action = domain.action(value)  # type: ignore[arg-type]
        if isinstance(domain, Numbers) and not domain.low <= value <= domain.high:  # type: ignore[operator]
            raise ValueError(f"{value!r} is not from {domain.low} to {domain.high}")
        return action
    except ValueError as error:
        raise ValueError(f"fill gives {name!r} a value that it can not have: {error}") from None
