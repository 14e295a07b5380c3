"""Search spaces of ConfigSpace: a `ConfigurationSpace` becomes a search space, and its configurations `Configuration`s.

```python
adapter = from_configspace(ConfigurationSpace({"lr": (1e-5, 1e-1), "optimizer": ["adam", "sgd"]}))
agent = Agent([adapter.problem("digits")])
configuration = adapter.configuration(agent.ask().config)
```
"""

import copy
import warnings
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from ..extras import needed

with needed("configspace", __name__):
    import ConfigSpace as cs

from ..learning.randomness import Purpose, generator
from ..searcher import check_seed
from ..spaces.choice import Choice
from ..spaces.condition import Action, And, Condition, Config, In, Not, Or
from ..spaces.problem import Problem
from ..spaces.space import SearchSpace
from .configspace_values import Values, WholeRange, values_of

SPACE = "configspace"
"""The default name of a space. Spaces of one name are versions of one space."""

ConfigurationFn = Callable[[cs.Configuration], float]
"""From a `Configuration` to its reward, higher is better."""

_TRIES = 16  # draws inside of the actions, if the numbers that stand for them are forbidden


@dataclass(frozen=True, slots=True, eq=False)
class ConfigSpaceAdapter:
    """A `ConfigurationSpace` and its search space; made by `from_configspace`.

    A range becomes a choice of the range, and a configuration has a number of it. If a condition reads the number, the
    range becomes a choice of its parts: the condition does not change within a part, and one number stands for all
    numbers of the part. Each whole number of a range of at most 64 is a part. A relation between two numbers, such as
    `ForbiddenLessThanRelation`, may hold for some numbers of two parts only. Then the numbers that stand for the parts
    are tried first, and a few others next.

    Attributes:
        source: The `ConfigurationSpace` of the configurations, which must not change any more.
        space: The search space, with a choice for each hyperparameter that can be active. Parents come before their
            children; hyperparameters whose parents are there are in the order of their names.

    Example:
        ```python
        adapter = from_configspace(ConfigurationSpace({"lr": (1e-5, 1e-1)}))
        config = adapter.config({"lr": 0.01})
        configuration = adapter.configuration(config, seed=0)
        ```
    """

    source: cs.ConfigurationSpace = field(repr=False)
    space: SearchSpace
    _values: Mapping[str, Values] = field(repr=False)

    def problem(self, task: str, objective: ConfigurationFn | None = None) -> Problem:
        """Returns the problem of a task, in which forbidden configurations are not valid.

        Args:
            task: The name of the task. Knowledge is shared between tasks of one name.
            objective: From a `Configuration` to its reward, higher is better.

        Raises:
            TypeError: The task is no non-empty string, or the objective no function.
        """
        if objective is not None and not callable(objective):
            raise TypeError(f"objective must be a function of a Configuration, not {objective!r}")
        reward = None if objective is None else lambda config: objective(self.configuration(config))
        return Problem(self.space, task, reward, self._valid if self.source.forbidden_clauses else None)

    def configuration(self, config: Config, seed: int | None = None) -> cs.Configuration:
        """Returns a configuration of the search space as a `Configuration` with values of plain Python.

        Args:
            config: From the names of the active choices to their actions.
            seed: The seed that draws numbers inside of the parts, if a condition reads a range; None for the numbers
                that stand for the parts, which are near their middles.

        Raises:
            ValueError: The configuration does not fit the space, or the seed is not a whole number of at least 0.
            ForbiddenValueError: The space forbids the configuration. If parts of ranges have several numbers, 16 drawn
                configurations were forbidden too.
        """
        self.space.validate(config)
        if seed is not None:
            check_seed(seed)
        chosen = dict[str, tuple[Any, Any]]()
        for choice in self.space.choices:
            if choice.name in config:
                action, its = config[choice.name], self._values[choice.name]
                chosen[choice.name] = its, action if isinstance(its, WholeRange) else choice.index(action)
        forbidden = None
        for values in _candidates(chosen, seed):
            try:
                return cs.Configuration(self.source, values=values)
            except cs.ForbiddenValueError as error:
                forbidden = forbidden or error
        assert forbidden is not None
        raise forbidden

    def config(self, configuration: Mapping[str, Any]) -> dict[str, Action]:
        """Returns a `Configuration` as a configuration of the search space, such as `agent.learn_from` takes.

        Args:
            configuration: A `Configuration`, or a mapping from the names of the active hyperparameters to their values.

        Raises:
            TypeError: The configuration is no mapping.
            ValueError: The configuration does not fit the space: a hyperparameter is unknown, missing, or not active,
                or has a value outside of its domain.
        """
        if not isinstance(configuration, Mapping):
            raise TypeError(f"config takes a Configuration, or a mapping from names to values, not {configuration!r}")
        made: dict[str, Action] = {}
        for choice in self.space.choices:
            if choice.name in configuration:
                try:
                    made[choice.name] = self._values[choice.name].action(configuration[choice.name])
                except ValueError as error:
                    raise ValueError(f'hyperparameter "{choice.name}": {error}') from None
        self.space.validate(dict.fromkeys(configuration) | made)  # an unknown name is an error there
        return made

    def _valid(self, config: Config) -> bool:
        try:
            self.configuration(config)
        except cs.ForbiddenValueError:
            return False
        return True


def from_configspace(space: cs.ConfigurationSpace, name: str | None = None) -> ConfigSpaceAdapter:
    """Returns the search space of a `ConfigurationSpace`, and the conversions between both.

    A categorical or ordinal hyperparameter becomes a choice of its values, and a constant a choice of one value. An
    integer or a float becomes a choice of its range. If a condition reads the number, it becomes a choice of the parts
    of the range, which are cut where the condition changes. Ranges that overlap share knowledge.
    Normal and beta distributions are searched as the ranges that bound them, and weights are left out.

    The value that stands for an action decides whether a condition holds. A range is cut where a condition on it
    changes, so the decision is right for every number of the part, also under `GreaterThanCondition` and
    `LessThanCondition`. As in ConfigSpace, only a `NotEqualsCondition` holds for an inactive parent.

    ConfigSpace takes a conjunction and a disjunction of the same parts for one condition, and then checks and samples
    one of them wrongly (ConfigSpace#430). Here both are right: configurations are those of a copy of the space in which
    ConfigSpace distinguishes them, and a warning says so.

    Args:
        space: The `ConfigurationSpace`, with at least one hyperparameter.
        name: The name of the search space; by default that of `space`, or "configspace" if `space` has none.

    Raises:
        TypeError: `space` is no `ConfigurationSpace`, or a hyperparameter or a condition is of an unknown kind.
        ValueError: There is no hyperparameter, or a hyperparameter cannot be a choice; the message names it.

    Example:
        ```python
        adapter = from_configspace(ConfigurationSpace({"lr": (1e-5, 1e-1), "optimizer": ["adam", "sgd"]}))
        agent = Agent([adapter.problem("digits")])
        ```
    """
    if not isinstance(space, cs.ConfigurationSpace):
        raise TypeError(
            f"from_configspace takes a ConfigurationSpace, not {space!r}; write "
            f'from_configspace(ConfigurationSpace({{"x": (0.0, 1.0)}}))'
        )
    if not len(space):
        raise ValueError('the ConfigurationSpace is empty; give it a hyperparameter: ConfigurationSpace({"x": (0, 1)})')
    conditions = {condition.child.name: condition for condition in space.conditions}
    rules = _rules(space)
    choices: list[Choice] = []
    values: dict[str, Values] = {}
    for key in _parents_first(space, conditions):
        found = values_of(space[key], rules.get(key, ()))
        when = True if key not in conditions else _when(conditions[key], space, values)
        if when is not False:
            values[key] = found
            choices.append(Choice(key, found.actions, None if when is True else when))
    named = SearchSpace(name if name is not None else space.name or SPACE, choices)
    return ConfigSpaceAdapter(_disambiguate(space), named, values)


def _candidates(chosen: Mapping[str, tuple[Any, Any]], seed: int | None) -> Iterator[dict[str, Any]]:
    """Yields values for the actions chosen, the best first.

    Args:
        chosen: The `Values` of each hyperparameter, and the position of the action, or the number of a `WholeRange`.
        seed: See `ConfigSpaceAdapter.configuration`.
    """
    representative = {name: values.representative(at) for name, (values, at) in chosen.items()}
    if seed is None:
        yield representative
    if any(values.has_range for values, _ in chosen.values()):
        rng = generator(seed or 0, Purpose.VALUE)
        for _ in range(_TRIES):
            yield {name: values.draw(at, rng) for name, (values, at) in chosen.items()}
    if seed is not None:
        yield representative


def _disambiguate(space: cs.ConfigurationSpace) -> cs.ConfigurationSpace:
    """Returns a space in which ConfigSpace confuses no two conditions, the given space if possible."""
    conditions: dict[str, Any] = {}
    confused: dict[str, str] = {}
    given: list[Any] = copy.deepcopy(list(space.conditions))
    for condition in given:
        while other := next((one for one in conditions.values() if _is_same_condition(one, condition)), None):
            confused.setdefault(condition.child.name, other.child.name)
            # One part is repeated, because ConfigSpace compares conditions of different lengths no further.
            condition = type(condition)(*condition.components, condition.components[0])
        conditions[condition.child.name] = condition
    if not confused:
        return space
    warnings.warn(
        "ConfigSpace takes conditions for one that join the same parts by AND and by OR (ConfigSpace#430), those of "
        + ", ".join(f'"{other}" and "{name}"' for name, other in confused.items())
        + "; the space given samples and checks them wrongly. Here each means what it says, and configurations are "
        "those of a copy of the space, `adapter.source`",
        stacklevel=3,
    )
    parameters, clauses = copy.deepcopy((list(space.values()), space.forbidden_clauses))
    apart = cs.ConfigurationSpace(space.name, meta=space.meta)
    apart.random.set_state(space.random.get_state())
    apart.add(*parameters, *conditions.values(), *clauses)
    return apart


def _is_same_condition(one: Any, other: Any) -> bool:
    """Returns whether ConfigSpace confuses two conditions that differ, in either order."""
    alike = one.equivalent_condition_on_parent(other) or other.equivalent_condition_on_parent(one)
    return bool(alike) and _meaning(one) != _meaning(other)


def _meaning(condition: Any) -> object:
    """Returns the meaning of a condition, which does not depend on the order of its parts."""
    if not hasattr(condition, "components"):
        value = getattr(condition, "values", None) or condition.value
        return type(condition).__name__, condition.parent.name, repr(value)
    parts = frozenset(map(_meaning, condition.components))
    return (type(condition).__name__, parts) if len(parts) > 1 else next(iter(parts))


def _rules(space: cs.ConfigurationSpace) -> dict[str, list[Any]]:
    """Returns the conditions and clauses on single values of each hyperparameter."""
    rules: dict[str, list[Any]] = {}
    for rule in (*_literals(space.conditions), *_literals(space.forbidden_clauses)):
        subject = getattr(rule, "parent", None) or getattr(rule, "hyperparameter", None)
        if subject is not None:  # else it is a relation between two hyperparameters
            rules.setdefault(subject.name, []).append(rule)
    return rules


def _literals(rules: Iterable[Any]) -> list[Any]:
    """Returns conditions or clauses without the conjunctions that join them."""
    return [literal for rule in rules for literal in getattr(rule, "dlcs", (rule,))]


def _parents_first(space: cs.ConfigurationSpace, conditions: Mapping[str, Any]) -> Iterator[str]:
    # An order of our own, so that the same space is the same to an agent whichever release of ConfigSpace read it.
    waiting = {
        name: {literal.parent.name for literal in _literals([conditions[name]])} if name in conditions else set()
        for name in sorted(space)
    }
    while waiting:
        name = next(name for name, parents in waiting.items() if not parents & waiting.keys())
        del waiting[name]
        yield name


def _when(condition: Any, space: cs.ConfigurationSpace, values: Mapping[str, Values]) -> Condition | bool:
    """Returns when a condition holds; True for always, False for never."""
    match condition:
        case cs.AndConjunction() | cs.OrConjunction():
            decisive = isinstance(condition, cs.OrConjunction)  # the value of one part that decides the whole
            parts = [_when(part, space, values) for part in condition.components]
            if any(part is decisive for part in parts):
                return decisive
            rest = tuple(part for part in parts if not isinstance(part, bool))
            return (Or if decisive else And)(rest) if rest else not decisive
        case cs.conditions.Condition():
            return _comparison(condition, space, values)
    raise TypeError(f"{condition!r} is a {type(condition).__name__}; a condition should be one of ConfigSpace's own")


def _comparison(condition: Any, space: cs.ConfigurationSpace, values: Mapping[str, Values]) -> Condition | bool:
    """Returns the actions of the parent for which ConfigSpace says that a condition holds."""
    parent = condition.parent.name
    vector = np.full(len(space), np.nan)  # ConfigSpace reads it: inactive is NaN
    inactive = bool(condition.satisfied_by_vector(vector))
    wanted: list[Action] = []
    actions: Any = values[parent].actions if parent in values else ()  # else it is never active
    for at, action in enumerate(actions):
        vector[condition.parent_vector_id] = space[parent].to_vector(values[parent].representative(at))
        if bool(condition.satisfied_by_vector(vector)) is not inactive:
            wanted.append(action)
    if not wanted:
        return inactive
    is_any_of = In(parent, tuple(wanted))
    return Not(is_any_of) if inactive else is_any_of
