"""What a trial is to take that is asked for parameter by parameter: its plan, and the values that stand for actions."""

import copy
import dataclasses
import itertools
from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np

from ..learning.replay import fingerprints
from ..learning.scores import Score
from ..spaces.condition import Action, is_any_of, is_same_action
from ..spaces.domain import CategoricalDomain, Domain, NumericDomain
from ..spaces.encoding import Encoding
from ..spaces.tables import MinShapes, power_of_two
from ..spaces.trajectory import Trajectory

SEARCH_SHAPES = MinShapes(
    states=16, names=256, tasks=4, choices=16, steps=16, decisions=16, actions=16, terms=4, literals=2, slots=256
)
"""A search of up to 15 parameters compiles what any other such search did."""

ROW = np.zeros(1, np.int32)
"""The one problem of a search, of one replica."""

NOBODY, SURROGATE = -1, -2
"""Who proposed a trial that no policy and no warm start did, see `ProposerBandit`."""

Params = Mapping[str, tuple[Domain, object]]
"""The parameters of a trial in the order in which they were asked for: what each could be, and what it is."""


def values_of(params: Params) -> dict[str, object]:
    """Returns the values of a trial, numbers as Python's own."""
    return {name: domain.number(v) if isinstance(domain, NumericDomain) else v for name, (domain, v) in params.items()}


def numbers_of(actions: Mapping[str, Action], values: Mapping[str, object]) -> dict[str, float]:
    """Returns the numbers of a trial that are not what their actions are called."""
    numbers = {name: value for name, value in values.items() if isinstance(actions[name], (int, float))}
    return {name: float(value) for name, value in numbers.items() if value != actions[name]}  # type: ignore[arg-type]


def shapes_for(actions: Mapping[str, tuple[Action, ...]]) -> MinShapes:
    """Returns room for trials that may make all of these choices, whenever the space says that they are made."""
    steps, slots = 1 + len(actions), 1 + sum(map(len, actions.values()))
    return SEARCH_SHAPES._replace(
        steps=power_of_two(max(SEARCH_SHAPES.steps, steps)), slots=power_of_two(max(SEARCH_SHAPES.slots, slots))
    )


def as_batch(trajectory: Trajectory) -> Trajectory:
    """Returns a trajectory as that of one replica."""
    return Trajectory(*(np.asarray(leaf)[None] for leaf in trajectory))


def compute_fingerprint(trajectory: Trajectory) -> np.uint64:
    """Returns the fingerprint of a trajectory, see `replay.fingerprints`."""
    return np.uint64(fingerprints(ROW, as_batch(trajectory))[0])


def config_fingerprint(encoding: Encoding, config: Mapping[str, Action]) -> np.uint64:
    """Returns the fingerprint of a configuration of a search's problem, see `replay.fingerprints`.

    Raises:
        KeyError, ValueError: its space has no such choice, or the choice no such action.
    """
    return compute_fingerprint(encoding.sequence(0, config))


def as_score(reward: Score | float | None) -> Score | None:
    """Returns a reward that may be infinite as a score."""
    return reward if reward is None or isinstance(reward, Score) else Score.of(reward)


@dataclasses.dataclass
class PlannedTrial:
    """What a trial is to take.

    Attributes:
        number: counts the trials.
        proposer: who proposed it.
        actions: of all parameters that it will be asked for, as far as is known.
        fingerprint: of its configuration.
        given: the values that were given.
        rng: draws them.
        seen: of how many parameters of the trial it is known that they are as planned.
        passed: how many of the actions are behind the trial.
        numbers: what was tried before where the warm start proposes an action that stands for several numbers.
        foreseen: The parameters for which the user's key was called, if there is a key: each has that value.
    """

    number: int
    proposer: int
    actions: dict[str, Action]
    fingerprint: np.uint64
    given: dict[str, object]
    rng: np.random.Generator
    seen: int = 0
    passed: int = 0
    numbers: Mapping[str, float] = dataclasses.field(default_factory=dict)
    foreseen: Params = dataclasses.field(default_factory=dict)

    def copy(self) -> "PlannedTrial":
        """Returns a copy that changes independently."""
        return dataclasses.replace(self, given=dict(self.given), rng=copy.deepcopy(self.rng))

    def goes_on(self, params: Params, name: str, domain: Domain) -> bool:
        """Returns whether a trial took what was planned, and asks for what is planned next."""
        if len(params) < self.seen:  # another trial of its number
            self.seen = self.passed = 0
        for known, (its, value) in itertools.islice(params.items(), self.seen, None):
            if known not in self.actions:
                return False
            given = self.given.get(known)  # compared with what is of its type: an array equals nothing as a whole
            as_given = given is value or (
                isinstance(given, (int, float)) and type(given) is type(value) and given == value
            )
            if not (known in self.given and as_given) and not is_same_action(its.action(value), self.actions[known]):  # type: ignore[arg-type]
                return False
        self.seen = len(params)
        for following in itertools.islice(self.actions, self.passed, None):
            if following not in params:
                return following == name and is_any_of(self.actions[name], domain.actions)
            self.passed += 1
        return False

    @property
    def observed(self) -> "ObservedTrial":
        """What the trial takes, as far as its numbers are known."""
        given = {name: value for name, value in self.given.items() if type(value) in (int, float)}
        return ObservedTrial(self.actions, {**self.numbers, **numbers_of(self.actions, given)})

    def put(self, name: str, action: Action) -> None:
        """Takes up a parameter that is asked for next, and was not foreseen; the plan is nobody's proposal then."""
        actions = list(self.actions.items())
        self.actions = dict([*actions[: self.passed], (name, action), *actions[self.passed :]])
        self.proposer = NOBODY


class Proposer(NamedTuple):
    """Who proposed a trial.

    Attributes:
        name: "policy", "new policy" (one that knows nothing), "exploring policy" (which favours what is new),
            "remembered from TASK", or "surrogate" (the Gaussian process).
        trust: how likely it is, by the rewards, that what was transferred promises more than the new policy does; None
            where nothing was transferred.
    """

    name: str
    trust: float | None


class ExpectedBest(NamedTuple):
    """The trial that is expected to be best, were it evaluated again, and what is expected of it.

    Attributes:
        params: its parameters.
        value: what another evaluation is expected to give, without noise.
        deviation: the standard deviation of that.
    """

    params: dict[str, Any]
    value: float
    deviation: float


class ObservedTrial(NamedTuple):
    """A trial as the surrogate looks at it.

    Attributes:
        actions: of its parameters.
        numbers: those of them that are not what their actions are called.
        score: None where it has none, because it is being evaluated, or failed.
    """

    actions: Mapping[str, Action]
    numbers: Mapping[str, float]
    score: Score | None = None

    @classmethod
    def of(cls, params: Params, score: Score | None = None) -> "ObservedTrial":
        """Returns a trial that has these parameters."""
        actions = {name: domain.action(value) for name, (domain, value) in params.items()}  # type: ignore[arg-type]
        return cls(actions, numbers_of(actions, values_of(params)), score)


def value_of(trial: ObservedTrial, name: str, domain: Domain) -> object:
    """Returns the value of a parameter of a trial, which may lie outside of what the parameter can be now."""
    action = trial.actions[name]
    if isinstance(domain, NumericDomain) and type(action) in (int, float):
        number = trial.numbers.get(name, action)
        return int(number) if domain.integer else float(number)  # type: ignore[arg-type]
    known = zip(domain.values, domain.actions, strict=True) if isinstance(domain, CategoricalDomain) else ()
    return next((value for value, its in known if is_same_action(its, action)), action)


class ExternalTrial(NamedTuple):
    """A trial that was not asked for here: what it took, how good it was, and whether it came to its end."""

    params: Params
    observed: ObservedTrial
    whole: bool

    @property
    def score(self) -> Score:
        """How good it was."""
        assert self.observed.score is not None  # it is finished
        return self.observed.score

    @property
    def actions(self) -> dict[str, Action]:
        """What its values are called."""
        return dict(self.observed.actions)
