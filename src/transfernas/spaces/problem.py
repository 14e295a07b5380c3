"""What is searched: a space, the task that a reward is measured on, and the trials that measure it."""

import math
import sys
from collections.abc import Callable, Hashable, Iterable
from dataclasses import dataclass, field
from types import BuiltinFunctionType, FunctionType
from typing import NamedTuple

from .condition import Config, as_tuple
from .space import SearchSpace

ObjectiveFn = Callable[[Config], float]  # configuration -> reward, higher is better
ValidFn = Callable[[Config], bool]  # configuration -> whether it may be proposed
KeyFn = Callable[[Config], Hashable]  # configuration -> what it builds, equal where two build the same

# What is compared by identity, but is there once for all configurations.
_NAMED = (type, FunctionType, BuiltinFunctionType)


@dataclass(frozen=True, slots=True)
class Problem:
    """A (search space, task) pair.

    Attributes:
        space: what may be chosen.
        task: the name of what the reward is measured on; knowledge is shared between tasks of one name.
        objective: from a configuration to its reward, for those who run a search; an agent never calls it.
        valid: which configurations may be proposed; None for all. It sees configurations that fit the space.
        key: what a configuration builds, as a hashable value such as a canonical hash; None where every configuration
            builds something else. Configurations with equal keys are one network, and a searcher proposes one of them:
            once it was evaluated or is pending, the others are not proposed. It sees configurations that fit the space
            and that `valid` accepts, and those given to `learn_from`.

    Example:
        Of 8 layers that may be left out, the network is the layers that are left:

        ```python
        space = SearchSpace("chain", [Choice(f"layer {i}", ("none", "conv", "pool")) for i in range(8)])
        problem = Problem(space, "digits", key=lambda config: tuple(v for v in config.values() if v != "none"))
        ```
    """

    space: SearchSpace
    task: str
    objective: ObjectiveFn | None = None
    valid: ValidFn | None = None
    key: KeyFn | None = None

    def __post_init__(self) -> None:
        """Checks the names.

        Raises:
            TypeError: the space is no SearchSpace, the task no non-empty string, or a function none.
        """
        if not isinstance(self.space, SearchSpace):
            raise TypeError(f"Problem needs a SearchSpace, not {self.space!r}")
        if not isinstance(self.task, str) or not self.task:
            raise TypeError(f"a task is named by a non-empty string, not {self.task!r}")
        for name, function in (("objective", self.objective), ("valid", self.valid)):
            if function is not None and not callable(function):
                raise TypeError(f"{name} must be a function of a configuration, not {function!r}")
        if self.key is not None and not callable(self.key):
            raise TypeError(
                f"key must be a function from a configuration to a hashable value, as in "
                f"key=lambda config: tuple(config.values()), not {self.key!r}"
            )

    @property
    def name(self) -> tuple[str, str]:
        """The names of the space and of the task, which identify the problem."""
        return self.space.name, self.task


@dataclass(frozen=True, slots=True)
class Trial:
    """A configuration that a searcher asks to have evaluated.

    Attributes:
        number: counts the trials of the searcher from 0.
        problem: the problem that the configuration belongs to.
        config: from the names of the active choices to the chosen actions.
        searcher: the searcher that asked, so that no other takes the answer.
    """

    number: int
    problem: Problem
    config: Config
    searcher: str = field(repr=False)

    def __hash__(self) -> int:
        """Returns a hash of which trial it is, so that trials can be keys."""
        return hash((self.searcher, self.number))


class Observation(NamedTuple):
    """An evaluated configuration, whoever proposed it."""

    problem: Problem
    config: Config
    reward: float


def check_problems(problems: Iterable[Problem]) -> tuple[Problem, ...]:
    """Returns the problems as a tuple.

    Raises:
        ValueError: there is none, a pair is there twice, or two different spaces have one name.
    """
    found = as_tuple(problems, "problems")
    if not found:
        raise ValueError("a searcher needs at least one Problem")
    spaces: dict[str, SearchSpace] = {}
    names: set[tuple[str, str]] = set()
    for problem in found:
        if not isinstance(problem, Problem):
            raise TypeError(f"expected a Problem, got {problem!r}; write Problem(space, task=...)")
        if problem.name in names:
            raise ValueError(f'the problem (space "{problem.space.name}", task "{problem.task}") is there twice')
        if spaces.setdefault(problem.space.name, problem.space) != problem.space:
            raise ValueError(f'two different search spaces are called "{problem.space.name}"; names must differ')
        names.add(problem.name)
    return found


def no_valid(problem: Problem, tried: int) -> ValueError:
    """Returns the error of a search that found no configuration which the problem takes for valid."""
    return ValueError(
        f'none of {tried} configurations drawn from search space "{problem.space.name}" (task "{problem.task}") was '
        f"valid; check the problem's valid(config)"
    )


def network_of(problem: Problem, config: Config) -> Hashable:
    """Returns what a configuration builds: what the problem's key says, which must be there.

    Args:
        problem: the problem.
        config: the configuration; the key gets a copy.

    Raises:
        TypeError: the key returned None, what cannot be hashed, or what is equal only to itself, such as an iterator.
    """
    assert problem.key is not None
    function = f'the key of the problem (space "{problem.space.name}", task "{problem.task}")'
    return check_network(problem.key(dict(config)), function)


def check_network(network: object, function: str) -> Hashable:
    """Returns the value of a user's key after a check.

    Args:
        network: The value that the key returned.
        function: Names the key, as the subject of the error's sentence.

    Raises:
        TypeError: The value is None, cannot be hashed, or is equal only to itself, such as an iterator.
    """
    try:
        hash(network)
    except TypeError:
        wrong = "which cannot be hashed"
    else:
        if network is None:
            wrong = "which says nothing of what it builds"
        elif type(network).__hash__ is object.__hash__ and not isinstance(network, _NAMED):
            wrong = "which is equal only to itself"
        else:
            return network
    raise TypeError(
        f"{function} returned {network!r}, {wrong}; "
        f"return a str, bytes, an int, or a tuple of these, as in tuple(layers) instead of a list"
    )


def check_reward(reward: object, what: str) -> float:
    """Returns a reward as a float.

    Args:
        reward: the value given.
        what: names the trial in the error.

    Raises:
        ValueError: it is not a finite number, or of a size beyond the largest one in double precision.
    """
    if isinstance(reward, (str, bytes)):
        raise ValueError(f"{what} was told the reward {reward!r}, which is not a number")
    try:
        value = float(reward)  # type: ignore[arg-type]
    except (TypeError, ValueError):
        raise ValueError(f"{what} was told the reward {reward!r}, which is not a number") from None
    except OverflowError:
        raise ValueError(f"{what} was told a reward of a size beyond {sys.float_info.max:g}; scale it") from None
    if not math.isfinite(value):
        raise ValueError(f"{what} was told the reward {value}; a trial without one is told with failed=True")
    return value
