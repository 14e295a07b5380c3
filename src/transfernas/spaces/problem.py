"""Problems and trials: a search space with the task that a reward is measured on, and the evaluations."""

import math
import sys
from collections.abc import Callable, Hashable, Iterable, Mapping
from dataclasses import dataclass, field
from types import BuiltinFunctionType, FunctionType
from typing import NamedTuple

from .condition import Action, Config, as_tuple
from .space import SearchSpace

ObjectiveFn = Callable[[Config], float]  # configuration -> reward, higher is better
ValidFn = Callable[[Config], bool]  # configuration -> whether it may be proposed
KeyFn = Callable[[Config], Hashable]  # configuration -> network, equal for configurations that build the same

# Values of these types compare by identity, but every configuration refers to the same object.
_NAMED = (type, FunctionType, BuiltinFunctionType)


@dataclass(frozen=True, slots=True)
class Problem:
    """A search space with the task that its rewards are measured on.

    Attributes:
        space: The search space.
        task: Name of the task, such as a data set; problems whose tasks have the same name share knowledge.
        objective: Function from a configuration to its reward, where higher is better. Experiments call it; an agent
            never does.
        valid: Function that returns whether a configuration may be proposed; None for all. Its argument fits the space.
        key: Function from a configuration to the network that the configuration builds, as a hashable value such as a
            canonical hash; None if all configurations build different networks. A searcher proposes no configuration
            whose key equals that of an evaluated or pending configuration. The argument fits the space, and `valid`
            accepts it or `learn_from` received it.

    Example:
        A layer may be left out, so the network is the sequence of the layers that are not "none":

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
        """Checks the arguments.

        Raises:
            TypeError: `space` is not a SearchSpace, `task` is not a non-empty string, or `objective`, `valid` or `key`
                is not callable.
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
        """Names of the space and of the task, which identify the problem."""
        return self.space.name, self.task


@dataclass(frozen=True, slots=True)
class Trial:
    """A configuration that a searcher proposes for evaluation.

    Attributes:
        number: Number of the trial, counted by the searcher from 0.
        problem: Problem of the configuration.
        config: Mapping from the names of the active choices to their actions.
        searcher: Identifier of the searcher that proposed the trial; another searcher does not accept its result.

    Example:
        ```python
        space = SearchSpace("cnn", [Choice("filters", (16, 32))])
        trial = RandomSearch([Problem(space, "digits")]).ask()
        print(trial.number, trial.config)
        ```
    """

    number: int
    problem: Problem
    config: Config
    searcher: str = field(repr=False)

    def __hash__(self) -> int:
        """Returns a hash of the searcher and the number, so that trials can be keys of a dictionary."""
        return hash((self.searcher, self.number))


class Observation(NamedTuple):
    """An evaluated configuration from any source, for `Agent.learn_from`.

    Attributes:
        problem: Problem of the configuration.
        config: Mapping from the names of the active choices to their actions.
        reward: Measured reward; higher is better.

    Example:
        ```python
        problem = Problem(SearchSpace("cnn", [Choice("filters", (16, 32))]), "digits")
        agent = Agent([problem])
        agent.learn_from([Observation(problem, {"filters": 32}, reward=0.97)])
        ```
    """

    problem: Problem
    config: Config
    reward: float


def check_problems(problems: Iterable[Problem]) -> tuple[Problem, ...]:
    """Returns the problems as a tuple.

    Raises:
        ValueError: There is no problem, a (space, task) pair occurs twice, or two different spaces have the same name.
        TypeError: A member is not a Problem, or `problems` has no order.
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


def check_rename(rename: Mapping[str, str] | None) -> dict[str, str]:
    """Returns `rename` as a dict from old names to new names; an empty one for None.

    Raises:
        TypeError: `rename` is no mapping from names to names.
    """
    names = [*rename, *rename.values()] if isinstance(rename, Mapping) else [None]
    if rename is not None and not all(isinstance(name, str) and name for name in names):
        raise TypeError(f"rename is a mapping from old names to new names, as in {{'lr': 'rate'}}, not {rename!r}")
    return dict(rename or {})


def check_fill(fill: Mapping[str, Action] | None, argument: str = "fill") -> dict[str, Action]:
    """Returns `fill` as a dict from names to values; an empty one for None.

    Args:
        fill: Values of new choices or parameters.
        argument: The name of the argument in the error.

    Raises:
        TypeError: `fill` is no mapping from names.
    """
    if fill is not None and not (isinstance(fill, Mapping) and all(isinstance(name, str) for name in fill)):
        raise TypeError(f"{argument} is a mapping from names to values, as in {{'dropout': 0.0}}, not {fill!r}")
    return dict(fill or {})


def no_valid(problem: Problem, tried: int) -> ValueError:
    """Returns the error of a search that drew no configuration that the problem accepts.

    Args:
        problem: The problem.
        tried: Number of configurations drawn.
    """
    return ValueError(
        f'none of {tried} configurations drawn from search space "{problem.space.name}" (task "{problem.task}") was '
        f"valid; check the problem's valid(config)"
    )


def network_of(problem: Problem, config: Config) -> Hashable:
    """Returns the network of a configuration, by the key of its problem.

    Args:
        problem: A problem that has a key.
        config: The configuration; the key receives a copy.

    Raises:
        TypeError: The key returned None, a value that cannot be hashed, or a value that equals only itself, such as an
            iterator.
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
            wrong = "which identifies no network"
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
        reward: The reward as given.
        what: Name of the trial in the error.

    Raises:
        ValueError: The reward is not a finite number of double precision.
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
        raise ValueError(f"{what} was told the reward {value}; tell a trial without a reward by failed=True")
    return value
