"""Search spaces of ConfigSpace's: a `ConfigurationSpace` goes in, `Configuration`s come out.

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
from .configspace_values import Values, values_of

SPACE = "configspace"
"""The name of a space that has none; spaces of one name are taken for versions of one space."""

ConfigurationFn = Callable[[cs.Configuration], float]
"""From a configuration of ConfigSpace's to its reward, higher is better."""

_TRIES = 16  # draws inside the actions, where what stands for them is forbidden


@dataclass(frozen=True, slots=True, eq=False)
class ConfigSpaceAdapter:
    """A `ConfigurationSpace` and the search space that stands for it; made by `from_configspace`.

    A number is searched as the part of its range that it lies in, and stands in a configuration for all numbers of that
    part. No condition and no clause that forbids a number changes within a part, so each says of a part what it says of
    the number that stands for it. A relation between two numbers, such as `ForbiddenLessThanRelation`, may hold for
    some numbers of two parts only: those that stand for the parts are looked at first, then a few others.

    Attributes:
        source: the space of ConfigSpace's that configurations are of; it must not change any more.
        space: the search space, with a choice for each hyperparameter that can be active: the parents first, and among
            those whose parents are there already in the order of their names.
    """

    source: cs.ConfigurationSpace = field(repr=False)
    space: SearchSpace
    _values: Mapping[str, Values] = field(repr=False)

    def problem(self, task: str, objective: ConfigurationFn | None = None) -> Problem:
        """Returns the problem of a task; what the space forbids is not valid in it.

        Args:
            task: the name of what is measured; knowledge is shared between tasks of one name.
            objective: from a `Configuration` to its reward, higher is better.

        Raises:
            TypeError: the task is no non-empty string, or the objective no function.
        """
        if objective is not None and not callable(objective):
            raise TypeError(f"objective must be a function of a Configuration, not {objective!r}")
        reward = None if objective is None else lambda config: objective(self.configuration(config))
        return Problem(self.space, task, reward, self._valid if self.source.forbidden_clauses else None)

    def configuration(self, config: Config, seed: int | None = None) -> cs.Configuration:
        """Returns a configuration of the search space as one of ConfigSpace's, with values of plain Python.

        Args:
            config: from the names of the active choices to their actions.
            seed: to draw numbers inside the parts of their ranges; None for those that stand for them, which
                are the middles as far as the range goes.

        Raises:
            ValueError: the configuration does not fit the space, or the seed is not a whole number of at least 0.
            ForbiddenValueError: the space forbids it. Where parts of ranges have several numbers, 16 drawn
                configurations were forbidden too.
        """
        self.space.validate(config)
        if seed is not None:
            check_seed(seed)
        chosen = {
            choice.name: (self._values[choice.name], choice.index(config[choice.name]))
            for choice in self.space.choices
            if choice.name in config
        }
        forbidden = None
        for values in _candidates(chosen, seed):
            try:
                return cs.Configuration(self.source, values=values)
            except cs.ForbiddenValueError as error:
                forbidden = forbidden or error
        assert forbidden is not None
        raise forbidden

    def config(self, configuration: Mapping[str, Any]) -> dict[str, Action]:
        """Returns a configuration of ConfigSpace's as one of the search space, such as `agent.learn_from` takes.

        Args:
            configuration: a `Configuration`, or a mapping from the names of the active hyperparameters to their values.

        Raises:
            TypeError: it is no mapping.
            ValueError: it does not fit the space: a hyperparameter is unknown, missing, or not active, or has a value
                that it cannot have.
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
        unknown = [name for name in configuration if name not in made]
        if unknown:
            names = ", ".join(f'"{choice.name}"' for choice in self.space.choices)
            raise ValueError(f'search space "{self.space.name}" has no choice "{unknown[0]}"; its choices are {names}')
        self.space.validate(made)
        return made

    def _valid(self, config: Config) -> bool:
        try:
            self.configuration(config)
        except cs.ForbiddenValueError:
            return False
        return True


def from_configspace(space: cs.ConfigurationSpace, name: str | None = None) -> ConfigSpaceAdapter:
    """Returns the search space that stands for a space of ConfigSpace's, and the way there and back.

    A categorical or ordinal becomes a choice of its values, a constant a choice of one, an integer or a float one of
    the parts of its range, which other ranges share where they overlap, but for where a condition or a forbidden clause
    cuts them. Normal and beta distributions are searched as the ranges that bound them, and weights are left out.

    Whether a condition holds is decided for each action by the value that stands for it. A range is cut where a
    condition on it changes, so for `GreaterThanCondition` and `LessThanCondition` too that is what the condition says
    of every number of the part. As in ConfigSpace, nothing is true of a parent that is not active but
    `NotEqualsCondition`.

    Args:
        space: of ConfigSpace's, with at least one hyperparameter.
        name: of the search space; by default that of the space, or "configspace" if it has none.

    ConfigSpace takes a conjunction and a disjunction of the same parts for one condition, and then checks and samples
    one of them wrongly (ConfigSpace#430). Here each means what it says: configurations are those of a copy of the
    space in which ConfigSpace tells them apart, and a warning says so.

    Raises:
        TypeError: it is no `ConfigurationSpace`, or a hyperparameter or a condition is of a kind that is not known.
        ValueError: there is no hyperparameter, or one cannot be a choice; the message says which, and why.
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


def _candidates(chosen: Mapping[str, tuple[Values, int]], seed: int | None) -> Iterator[dict[str, Any]]:
    """Yields values for the actions chosen, the best first."""
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
    """Returns a space in which ConfigSpace takes no two conditions for one that are not, the given one if possible."""
    conditions: dict[str, Any] = {}
    confused: dict[str, str] = {}
    given: list[Any] = copy.deepcopy(list(space.conditions))
    for condition in given:
        while other := next((one for one in conditions.values() if _is_same_condition(one, condition)), None):
            confused.setdefault(condition.child.name, other.child.name)
            # One part more, though it says nothing new, and ConfigSpace compares no further.
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
    """Returns whether ConfigSpace takes two conditions for one though they differ; it compares in both directions."""
    alike = one.equivalent_condition_on_parent(other) or other.equivalent_condition_on_parent(one)
    return bool(alike) and _meaning(one) != _meaning(other)


def _meaning(condition: Any) -> object:
    """Returns what a condition says of its parents, whatever the order of its parts."""
    if not hasattr(condition, "components"):
        value = getattr(condition, "values", None) or condition.value
        return type(condition).__name__, condition.parent.name, repr(value)
    parts = frozenset(map(_meaning, condition.components))
    return (type(condition).__name__, parts) if len(parts) > 1 else next(iter(parts))


def _rules(space: cs.ConfigurationSpace) -> dict[str, list[Any]]:
    """Returns what is said of single values of each hyperparameter."""
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
    """Returns for which actions of the parent a condition holds, by ConfigSpace's own word."""
    parent = condition.parent.name
    vector = np.full(len(space), np.nan)  # the form that ConfigSpace decides by: what is not active is NaN
    inactive = bool(condition.satisfied_by_vector(vector))
    wanted: list[Action] = []
    for at, action in enumerate(values[parent].actions if parent in values else ()):  # else it is never active
        vector[condition.parent_vector_id] = space[parent].to_vector(values[parent].representative(at))
        if bool(condition.satisfied_by_vector(vector)) is not inactive:
            wanted.append(action)
    if not wanted:
        return inactive
    is_any_of = In(parent, tuple(wanted))
    return Not(is_any_of) if inactive else is_any_of
