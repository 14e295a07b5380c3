"""Trials of a program that asks for one parameter after the other: plans, parameters, and proposers."""

import copy
import dataclasses
import itertools
from collections.abc import Mapping
from typing import NamedTuple

import numpy as np

from ..learning.bandit import NOBODY, in_part
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
"""All searches of up to 15 parameters share their compiled functions."""

ROW = np.zeros(1, np.int32)
"""The row of the only problem of a search, for one replica."""

Params = Mapping[str, tuple[Domain, object]]
"""The parameters of a trial in the order in which they were asked for: the domain and the value of each."""


def values_of(params: Params) -> dict[str, object]:
    """Returns the values of a trial, with numbers of Python's own types."""
    return {name: domain.number(v) if isinstance(domain, NumericDomain) else v for name, (domain, v) in params.items()}


def numbers_of(actions: Mapping[str, Action], values: Mapping[str, object]) -> dict[str, float]:
    """Returns the numbers of a trial, for actions that are numbers: such an action may stand for several."""
    return {name: float(value) for name, value in values.items() if type(actions[name]) in (int, float)}  # type: ignore[arg-type]


def shapes_for(actions: Mapping[str, tuple[Action, ...]]) -> MinShapes:
    """Returns array sizes for trials that may make all of these choices, under any conditions."""
    steps, slots = 1 + len(actions), 1 + sum(map(len, actions.values()))
    return SEARCH_SHAPES._replace(
        steps=power_of_two(max(SEARCH_SHAPES.steps, steps)), slots=power_of_two(max(SEARCH_SHAPES.slots, slots))
    )


def compute_fingerprint(trajectory: Trajectory) -> np.uint64:
    """Returns the fingerprint of a trajectory, see `replay.fingerprints`."""
    return np.uint64(fingerprints(ROW, trajectory.at(None))[0])


def config_fingerprint(encoding: Encoding, config: Mapping[str, Action]) -> np.uint64:
    """Returns the fingerprint of a configuration of a search's problem, see `replay.fingerprints`.

    Raises:
        KeyError, ValueError: The space has no such choice, or the choice no such action.
    """
    return compute_fingerprint(encoding.sequence(0, config))


def as_score(reward: Score | float | None) -> Score | None:
    """Returns a reward, which may be infinite, as a score."""
    return reward if reward is None or isinstance(reward, Score) else Score.of(reward)


@dataclasses.dataclass(frozen=True)
class PlannedTrial:
    """The plan of a trial: the actions for all parameters that its program is expected to ask for.

    Attributes:
        number: The number of the trial.
        proposer: The proposer, see `ProposerBandit`.
        actions: The action of each parameter, as far as the parameters are known.
        fingerprint: The fingerprint of the configuration.
        given: The values that were given.
        rng: Draws the values.
        seen: The number of the trial's parameters that are known to agree with the plan.
        passed: The number of the plan's actions that the trial has taken.
        numbers: The exact numbers of some actions, as of a proposal of the warm start or the surrogate.
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

    def followed(self, params: Params) -> "PlannedTrial":
        """Returns the plan with the progress of its trial, up to the first parameter that does not agree with it."""
        # A trial of fewer parameters than before is another trial of the same number.
        seen, passed = (self.seen, self.passed) if len(params) >= self.seen else (0, 0)
        if all(self._agrees(*each) for each in itertools.islice(params.items(), seen, None)):
            taken = itertools.takewhile(params.__contains__, itertools.islice(self.actions, passed, None))
            seen, passed = len(params), passed + len(list(taken))
        return dataclasses.replace(self, seen=seen, passed=passed)

    def goes_on(self, params: Params, name: str, domain: Domain) -> bool:
        """Returns whether a trial that the plan followed agrees so far, and asks for the next parameter of the plan."""
        following = next(itertools.islice(self.actions, self.passed, None), None)
        return self.seen == len(params) and following == name and is_any_of(self.actions[name], domain.actions)

    def _agrees(self, name: str, asked: tuple[Domain, object]) -> bool:
        domain, value = asked
        given = self.given.get(name, self)  # compared within its type: an array has no equality as a whole
        as_given = given is value or (isinstance(given, (int, float)) and type(given) is type(value) and given == value)
        return name in self.actions and (as_given or is_same_action(domain.action(value), self.actions[name]))  # type: ignore[arg-type]

    def was_left(self, config: Mapping[str, Action], whole: bool) -> bool:
        """Returns whether a finished trial has other parameters or other actions than planned.

        Args:
            config: The actions of the trial.
            whole: Whether the trial came to its end; if not, the trial may lack parameters of the plan.
        """
        return self.actions != config if whole else not config.items() <= self.actions.items()

    def proposer_of(self, config: Mapping[str, Action]) -> int:
        """Returns the number of the proposer of a finished trial, see `learning.bandit`.

        Args:
            config: The actions of the trial. The number is that of `in_part` if the trial lacks parameters of the plan,
                and that of nobody if the trial has other parameters or other actions.
        """
        if self.actions == config:
            return self.proposer
        return in_part(self.proposer) if config.items() <= self.actions.items() else NOBODY

    @property
    def observed(self) -> "ObservedTrial":
        """The trial as the surrogate sees it, as far as its numbers are known."""
        given = {name: value for name, value in self.given.items() if type(value) in (int, float)}
        return ObservedTrial(self.actions, {**self.numbers, **numbers_of(self.actions, given)})

    def put(self, name: str, action: Action) -> "PlannedTrial":
        """Returns the plan with a parameter that was not foreseen; the plan then has no proposer."""
        actions = list(self.actions.items())
        actions.insert(self.passed, (name, action))
        return dataclasses.replace(self, actions=dict(actions), proposer=NOBODY)


class Proposer(NamedTuple):
    """The proposer of a trial.

    Attributes:
        name: "policy", "new policy" (without transferred knowledge), "exploring policy" (which prefers new actions),
            "warm start from TASK", or "surrogate" (the Gaussian process).
        trust: The probability, by the rewards, that the transferred policy proposes better trials than the new policy;
            None without a transfer, and where the agent knew nothing of the search.
    """

    name: str
    trust: float | None


class ObservedTrial(NamedTuple):
    """A trial as the surrogate sees it.

    Attributes:
        actions: The action of each parameter.
        numbers: The numbers, for actions that are numbers.
        score: The score; None for a trial that is being evaluated, or failed.
    """

    actions: Mapping[str, Action]
    numbers: Mapping[str, float]
    score: Score | None = None

    @classmethod
    def of(cls, params: Params, score: Score | None = None) -> "ObservedTrial":
        """Returns the trial of some parameters."""
        actions = {name: domain.action(value) for name, (domain, value) in params.items()}  # type: ignore[arg-type]
        return cls(actions, numbers_of(actions, values_of(params)), score)

    def with_numbers(self, numbers: Mapping[str, float]) -> "ObservedTrial":
        """Returns the trial with other numbers of some parameters."""
        return self._replace(numbers={**self.numbers, **numbers})

    def has_values_of(self, other: "ObservedTrial") -> bool:
        """Returns whether another trial has the same parameters, and the same value of each."""
        return (
            self.numbers == other.numbers
            and self.actions.keys() == other.actions.keys()
            and all(is_same_action(action, other.actions[name]) for name, action in self.actions.items())
        )


def value_of(trial: ObservedTrial, name: str, domain: Domain) -> object:
    """Returns the value of a parameter of a trial, which may lie outside of the parameter's present domain."""
    action = trial.actions[name]
    if isinstance(domain, NumericDomain) and type(action) in (int, float):
        number = trial.numbers.get(name, action)
        return int(number) if domain.integer else float(number)  # type: ignore[arg-type]
    known = zip(domain.values, domain.actions, strict=True) if isinstance(domain, CategoricalDomain) else ()
    return next((value for value, its in known if is_same_action(its, action)), action)


class ExternalTrial(NamedTuple):
    """A finished trial that was not asked for here.

    Attributes:
        params: The parameters.
        observed: The trial as the surrogate sees it.
        whole: Whether the trial came to its end.
    """

    params: Params
    observed: ObservedTrial
    whole: bool

    @property
    def score(self) -> Score:
        """The score of the trial."""
        assert self.observed.score is not None  # the trial is finished
        return self.observed.score

    @property
    def actions(self) -> dict[str, Action]:
        """The action of each parameter."""
        return dict(self.observed.actions)
