"""Choices, and blocks of them that repeat."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from .condition import (
    Action,
    And,
    Condition,
    In,
    Typed,
    action_key,
    as_condition,
    as_tuple,
    rename,
    set_fields,
    stable_hash,
    to_builtin,
)
from .domain import Range

START = "<S>"  # the paper's S, whose actions are the spaces
END = "<T>"  # the paper's T


@dataclass(frozen=True, slots=True, init=False, eq=False, repr=False)
class Choice(Typed):
    """A named decision of a search space: its actions, and the condition under which a configuration makes it.

    Attributes:
        name: Key of the choice in a configuration, unique in the space.
        actions: Values that the choice can take, each None, bool, int, float or str. The actions of a range are its
            parts, each named by the number in its middle.
        range: Numbers that the choice can take; None for a choice among a list of actions.
        when: Condition under which the choice is made; None for always.
        state: Name under which spaces share knowledge of the choice (paper, section 3: embeddings are reused by state
            name). The default is `name`. The repetitions of a block share one state.

    Example:
        The number of layers decides whether the second kernel is chosen:

        ```python
        layers = Choice("layers", (1, 2))
        second = Choice("kernel 2", (3, 5), when={"layers": 2}, state="kernel")
        print(second.when)  # Equal(choice='layers', action=2)
        rate = Choice("learning rate", Range(1e-4, 1e-1, log=True))
        ```
    """

    name: str
    actions: tuple[Action, ...]
    range: Range | None
    when: Condition | None
    state: str
    _hash: int = field(init=False, repr=False)
    _positions: dict[tuple[type, Action], int] = field(init=False, repr=False)

    def __init__(
        self,
        name: str,
        actions: Iterable[Action] | Range,
        when: Condition | Mapping[str, object] | None = None,
        state: str | None = None,
    ) -> None:
        """Checks the arguments and normalises the condition.

        Args:
            name: Key of the choice in a configuration.
            actions: Values that the choice can take, as a list or as a range of numbers.
            when: Condition, or a mapping that `as_condition` accepts; None for always.
            state: Name under which knowledge is shared; None for `name`.

        Raises:
            ValueError: The name or the state is empty or reserved, there is no action, or an action occurs twice.
            TypeError: An action is not None, bool, int, float or str.
        """
        if not isinstance(name, str) or not name:
            raise ValueError(f"a choice needs a name that is a non-empty string, not {name!r}")
        if {name, state} & {START, END}:
            raise ValueError(f'"{START}" and "{END}" are the names of the start and terminal state; use another')
        if state is not None and (not isinstance(state, str) or not state):
            raise ValueError(f'choice "{name}": state={state!r} must be a non-empty string, or left out')
        found, actions = (actions, actions.actions) if isinstance(actions, Range) else (None, actions)
        try:
            values, condition = tuple(to_builtin(action) for action in as_tuple(actions, "actions")), as_condition(when)
        except (TypeError, ValueError) as error:
            raise type(error)(f'choice "{name}": {error}') from None
        if not values:
            raise ValueError(f'choice "{name}" has no actions; give at least one, as in Choice("{name}", (1, 2))')
        positions: dict[tuple[type, Action], int] = {}
        for position, action in enumerate(values):
            if positions.setdefault(action_key(action), position) != position:
                raise ValueError(f'choice "{name}" has the action {action!r} twice')
        state = name if state is None else state
        set_fields(self, name=name, actions=values, range=found, when=condition, state=state, _positions=positions)
        set_fields(self, _hash=stable_hash(self))

    def __repr__(self) -> str:
        """Returns the arguments."""
        return f"Choice(name={self.name!r}, actions={self.given!r}, when={self.when!r}, state={self.state!r})"

    @property
    def given(self) -> tuple[Action, ...] | Range:
        """The range of the choice, or its list of actions."""
        return self.actions if self.range is None else self.range

    @property
    def numbers(self) -> Range | None:
        """The range, if its actions stand for several numbers each; else None."""
        return None if self.range is None or not self.range.continuous else self.range

    def has(self, action: Action) -> bool:
        """Returns whether the choice has an action of this value and type, or a range with this number."""
        if self.range is not None:
            return self.range.contained(action) is not None
        try:
            return action_key(action) in self._positions
        except TypeError:  # a value that cannot be hashed, such as a list
            return False

    def index(self, action: Action) -> int:
        """Returns the position of an action in `actions`; that of the part with the number if there is a range.

        Raises:
            ValueError: The choice has no such action.
        """
        if type(action) in (int, float, str) and (at := self._positions.get((type(action), action))) is not None:
            return at
        if self.range is not None:
            return self.range.position(self.value(action))  # type: ignore[arg-type]
        try:
            value = to_builtin(action)
        except (TypeError, ValueError) as error:
            raise ValueError(f'choice "{self.name}": {error}') from None
        position = self._positions.get(action_key(value))
        if position is not None:
            return position
        near = next((known for known in self.actions if known == value), None)
        hint = f" (it has {near!r}, of type {type(near).__name__})" if near is not None else ""
        raise ValueError(f'choice "{self.name}" has no action {action!r}{hint}; its actions are {self.actions}')

    def at(self, position: int) -> Action:
        """Returns the action at a position in `actions`, or the number in the middle of a part of a range."""
        return self.actions[position] if self.range is None else self.range.value(position, 0.5)

    def value(self, action: Action) -> Action:
        """Returns an action as the choice has it: as a Python number of a range, or as in `actions`.

        Raises:
            ValueError: The choice has no such action.
        """
        if self.range is None:
            return self.actions[self.index(action)]
        if (number := self.range.contained(action)) is None:
            kind, step = "whole number" if self.range.integer else "number", self.range.step
            steps = f" in steps of {step}" if step not in (None, 1) else ""
            raise ValueError(
                f'choice "{self.name}" is a {kind} from {self.range.low} to {self.range.high}{steps}, not {action!r}'
            )
        return number


@dataclass(frozen=True, slots=True, init=False)
class Repeat:
    """A block of choices that a configuration makes several times; a choice gives the number of times.

    The repetitions share the states of the block, so the agent learns from all repetitions at once. A condition inside
    the block that names a choice of the block refers to the choice of the same repetition.

    Attributes:
        name: Name of the choice of the number of times.
        times: Numbers of times to choose from, each at least 0.
        block: Choices and blocks to repeat.
        when: Condition under which `name` is chosen, and with it the block; None for always.
        state: State of the choice of the number of times; by default its name.

    Example:
        The block stands for the choices "layers", "units[0]" and "units[1]". The last is active when "layers" is 2:

        ```python
        block = Repeat("layers", (1, 2), [Choice("units", (32, 64))])
        print([choice.name for choice in SearchSpace("mlp", [block]).choices])
        ```
    """

    name: str
    times: tuple[int, ...]
    block: tuple["Choice | Repeat", ...]
    when: Condition | None
    state: str

    def __init__(
        self,
        name: str,
        times: Iterable[int],
        block: Sequence["Choice | Repeat"],
        when: Condition | Mapping[str, object] | None = None,
        state: str | None = None,
    ) -> None:
        """Checks the arguments.

        Args:
            name: Name of the choice of the number of times.
            times: Numbers of times to choose from.
            block: Choices and blocks to repeat.
            when: Condition, or a mapping that `as_condition` accepts; None for always.
            state: Name under which knowledge of the number of times is shared; None for `name`.

        Raises:
            ValueError: A number of times is not a whole number of at least 0, or the block is empty.
            TypeError: The block has a member that is neither a Choice nor a Repeat.
        """
        count = Choice(name, times, when, state)
        for value in count.actions:
            if type(value) is not int or value < 0:
                raise ValueError(f'repeat "{name}": times must be whole numbers of at least 0, not {value!r}')
        whole = tuple(value for value in count.actions if isinstance(value, int))
        if not block:
            raise ValueError(f'repeat "{name}" has an empty block')
        for part in block:
            if not isinstance(part, (Choice, Repeat)):
                raise TypeError(f'repeat "{name}": a block is made of Choice and Repeat, not {part!r}')
        set_fields(self, name=name, times=whole, block=tuple(block), when=count.when, state=count.state)


def expand(item: Choice | Repeat) -> Iterator[Choice]:
    """Yields the choices of a part of a space, with every repetition written out.

    Raises:
        TypeError: The part is neither a Choice nor a Repeat.
    """
    if isinstance(item, Choice):
        yield item
        return
    if not isinstance(item, Repeat):
        raise TypeError(f"a search space is made of Choice and Repeat, not {item!r}")
    yield Choice(item.name, item.times, item.when, item.state)
    local = _block_names(item.block)
    for turn in range(max(item.times)):
        enough = In(item.name, tuple(value for value in item.times if value > turn))
        names = {name: f"{name}[{turn}]" for name in local}
        for part in item.block:
            yield from expand(_turn(part, names, enough))


def _block_names(block: Sequence[Choice | Repeat]) -> list[str]:
    names = []
    for part in block:
        names.append(part.name)
        if isinstance(part, Repeat):
            names += _block_names(part.block)
    return names


def _turn(part: Choice | Repeat, names: Mapping[str, str], enough: Condition | None) -> Choice | Repeat:
    """Returns a repetition of a part of a block: its names have the index, and a high enough count makes it active."""
    own = None if part.when is None else rename(part.when, names)
    when = own if enough is None else enough if own is None else And((enough, own))
    if isinstance(part, Choice):
        return Choice(names[part.name], part.given, when, part.state)
    block = [_turn(inner, names, None) for inner in part.block]
    return Repeat(names[part.name], part.times, block, when, part.state)
