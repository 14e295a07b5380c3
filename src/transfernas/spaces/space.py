"""Search spaces: ordered choices, some of them conditional on earlier choices."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from .choice import Choice as Choice
from .choice import Repeat, expand
from .condition import Action, Config, In, as_tuple, disjunction, holds, is_any_of, literals, set_fields, to_builtin
from .counting import Edge, count_space, edges


@dataclass(frozen=True, slots=True, init=False, repr=False)
class SearchSpace:
    """A named sequence of choices, each of which may be conditional on earlier choices.

    Attributes:
        name: Name of the space. The agent shares knowledge between spaces of the same name, as versions of one space.
        choices: All choices, with every repetition written out.

    Example:
        ```python
        pooling = Choice("pooling", ("none", "max"))
        size = Choice("pool size", (2, 3), when={"pooling": "max"})
        space = SearchSpace("cnn", [pooling, size])
        print(space.size)  # 3
        ```
    """

    name: str
    choices: tuple[Choice, ...]

    def __init__(self, name: str, choices: Iterable[Choice | Repeat]) -> None:
        """Writes repetitions out, and checks the names and the conditions.

        Args:
            name: Name of the space.
            choices: Choices and blocks, in the order in which a configuration makes them.

        Raises:
            ValueError: The name is empty, there is no choice, two choices have the same name, or a condition reads a
                choice that is unknown, comes later, or lacks the action of the comparison.
            TypeError: A member is neither a Choice nor a Repeat, or `choices` has no order.
        """
        if not isinstance(name, str) or not name:
            raise ValueError(f"a search space needs a name that is a non-empty string, not {name!r}")
        expanded = tuple(
            choice for item in as_tuple(choices, f'the choices of search space "{name}"') for choice in expand(item)
        )
        if not expanded:
            raise ValueError(f'search space "{name}" is empty; give it at least one Choice')
        set_fields(self, name=name, choices=expanded)
        _check_names(self)
        _check_conditions(self)

    def __repr__(self) -> str:
        """Returns the name and the number of choices."""
        return f"SearchSpace({self.name!r}, {len(self.choices)} choices)"

    def __getitem__(self, name: str) -> Choice:
        """Returns the choice of a name.

        Raises:
            KeyError: No choice has the name.
        """
        for choice in self.choices:
            if choice.name == name:
                return choice
        raise KeyError(f'search space "{self.name}" has no choice "{name}"')

    def next_choice(self, config: Config) -> Choice | None:
        """Returns the first active choice that a configuration lacks; None if the configuration is complete."""
        made: dict[str, Action] = {}
        for choice in self.choices:
            if holds(choice.when, made):
                if choice.name not in config:
                    return choice
                made[choice.name] = to_builtin(config[choice.name])
        return None

    def validate(self, config: Config) -> None:
        """Checks that a configuration makes exactly the active choices, with actions of these choices.

        Raises:
            ValueError: A choice is missing, unknown or inactive, or an action is unknown; the message names the choice.
        """
        if not isinstance(config, Mapping):
            raise ValueError(f'a configuration of search space "{self.name}" maps choices to actions; got {config!r}')
        known = {choice.name for choice in self.choices}
        unknown = [name for name in config if name not in known]
        if unknown:
            names = ", ".join(f'"{choice.name}"' for choice in self.choices)
            raise ValueError(f'search space "{self.name}" has no choice "{unknown[0]}"; its choices are {names}')
        made: dict[str, Action] = {}
        for choice in self.choices:
            active = holds(choice.when, made)
            if active and choice.name not in config:
                raise ValueError(f'choice "{choice.name}" of search space "{self.name}" is active but was not made')
            if not active and choice.name in config:
                raise ValueError(
                    f'choice "{choice.name}" of search space "{self.name}" is not active here: it needs {choice.when}'
                )
            if active:
                made[choice.name] = choice.actions[choice.index(choice.value(config[choice.name]))]

    def fits(self, config: Config) -> bool:
        """Returns whether `validate` accepts a configuration."""
        try:
            self.validate(config)
        except ValueError:
            return False
        return True

    @property
    def has_ranges(self) -> bool:
        """Whether an action of a choice stands for several numbers of a range."""
        return any(choice.numbers is not None for choice in self.choices)

    @property
    def size(self) -> int:
        """Exact number of configurations.

        Raises:
            ValueError: A choice has a range of floats without steps, or the conditions tell more than 10,000
                combinations of earlier choices apart.
        """
        self._check_countable()
        return count_space(self.choices).size

    @property
    def edges(self) -> tuple[Edge, ...]:
        """Every step between two choices that some configuration takes, START and END included.

        Raises:
            ValueError: The conditions tell more than 10,000 combinations of earlier choices apart.
        """
        return edges(self.choices)

    def enumerate(self) -> Iterator[dict[str, Action]]:
        """Yields every configuration exactly once; the last choices vary fastest.

        Raises:
            ValueError: A choice has a range of floats without steps.
        """
        self._check_countable()
        stack: list[dict[str, Action]] = [{}]
        while stack:
            config = stack.pop()
            choice = self.next_choice(config)
            if choice is None:
                yield config
            else:
                actions = choice.actions if choice.range is None else tuple(choice.range.values())
                stack.extend({**config, choice.name: action} for action in reversed(actions))

    def _check_countable(self) -> None:
        for choice in self.choices:
            if choice.numbers is not None and choice.numbers.step is None:
                raise ValueError(
                    f'the configurations of search space "{self.name}" cannot be counted: choice "{choice.name}" has '
                    f"{choice.range}; give it a step, or a list of actions"
                )


def _check_names(space: SearchSpace) -> None:
    seen: set[str] = set()
    for choice in space.choices:
        if choice.name in seen:
            raise ValueError(f'search space "{space.name}" has two choices called "{choice.name}"; names must differ')
        seen.add(choice.name)


def _check_conditions(space: SearchSpace) -> None:
    position = {choice.name: index for index, choice in enumerate(space.choices)}
    for index, choice in enumerate(space.choices):
        for literal in literals(choice.when):
            where = f'the condition of choice "{choice.name}" in search space "{space.name}"'
            if literal.choice not in position:
                raise ValueError(f'{where} names "{literal.choice}", which is not a choice of the space')
            if position[literal.choice] >= index:
                raise ValueError(f'{where} names "{literal.choice}", which is not made before it; put it first')
            its = space.choices[position[literal.choice]].range
            if its is not None and (its.continuous or not its.integer):
                raise ValueError(
                    f'{where} names "{literal.choice}", which has {its}; a condition names a choice of a list of '
                    f"actions, or of a range of at most 16 whole numbers"
                )
            for action in literal.actions if isinstance(literal, In) else (literal.action,):
                try:
                    _check_action(space.choices[position[literal.choice]], action)
                except ValueError as error:
                    raise ValueError(f"{where} cannot be met: {error}") from None
        try:
            disjunction(choice.when, lambda name: space.choices[position[name]].actions)
        except ValueError as error:
            raise ValueError(f'choice "{choice.name}" in search space "{space.name}": {error}') from None


def _check_action(choice: Choice, action: Action) -> None:
    """Checks that a choice has an action, of the same type.

    Raises:
        ValueError: The choice has no such action.
    """
    if choice.range is None:
        choice.index(action)
    elif not is_any_of(action, choice.actions):
        raise ValueError(f'choice "{choice.name}" has no {action!r}; its numbers are {choice.actions}')
