"""Search spaces: named choices, some of them conditional on earlier ones."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from .condition import Action as Action
from .condition import (
    And,
    Condition,
    In,
    Typed,
    as_condition,
    disjunction,
    holds,
    literals,
    plain,
    reduce,
    rename,
    same,
)
from .condition import Config as Config

START = "<S>"  # the paper's S, whose actions are the spaces
END = "<T>"  # the paper's T


@dataclass(frozen=True, slots=True, init=False, eq=False)
class Choice(Typed):
    """One decision: a name, the actions to choose from, and when it is made.

    Attributes:
        name: unique in its space; the key of the choice in a configuration.
        actions: what can be chosen, each None, bool, int, float or str.
        when: the condition under which the choice is made; None for always.
        state: the name under which knowledge is shared (paper, section 3: embeddings are reused by state name). It is
            the name itself unless said otherwise; the repetitions of a block share one state.
    """

    name: str
    actions: tuple[Action, ...]
    when: Condition | None
    state: str

    def __init__(
        self,
        name: str,
        actions: Iterable[Action],
        when: Condition | Mapping[str, object] | None = None,
        state: str | None = None,
    ) -> None:
        """Checks the choice.

        Raises:
            ValueError: the name is empty, there is no action, or an action is there twice.
            TypeError: an action is not None, bool, int, float or str.
        """
        if not isinstance(name, str) or not name:
            raise ValueError(f"a choice needs a name that is a non-empty string, not {name!r}")
        if {name, state} & {START, END}:
            raise ValueError(f'"{START}" and "{END}" are the names of the start and terminal state; use another')
        if isinstance(actions, str):
            raise TypeError(f'choice "{name}": actions={actions!r} is one string; write a tuple, ({actions!r},)')
        if state is not None and (not isinstance(state, str) or not state):
            raise ValueError(f'choice "{name}": state={state!r} must be a non-empty string, or left out')
        try:
            values, condition = tuple(plain(action) for action in actions), as_condition(when)
        except (TypeError, ValueError) as error:
            raise type(error)(f'choice "{name}": {error}') from None
        if not values:
            raise ValueError(f'choice "{name}" has no actions; give at least one, as in Choice("{name}", (1, 2))')
        for position, action in enumerate(values):
            if any(same(action, earlier) for earlier in values[:position]):
                raise ValueError(f'choice "{name}" has the action {action!r} twice')
        object.__setattr__(self, "name", name)
        object.__setattr__(self, "actions", values)
        object.__setattr__(self, "when", condition)
        object.__setattr__(self, "state", name if state is None else state)

    def index(self, action: Action) -> int:
        """Returns the position of an action.

        Raises:
            ValueError: the choice has no such action.
        """
        try:
            value = plain(action)
        except (TypeError, ValueError) as error:
            raise ValueError(f'choice "{self.name}": {error}') from None
        for position, known in enumerate(self.actions):
            if same(known, value):
                return position
        near = next((known for known in self.actions if known == value), None)
        hint = f" (it has {near!r}, of type {type(near).__name__})" if near is not None else ""
        raise ValueError(f'choice "{self.name}" has no action {action!r}{hint}; its actions are {self.actions}')


@dataclass(frozen=True, slots=True, init=False)
class Repeat:
    """A block of choices made several times, how often itself a choice.

    `Repeat("layers", (1, 2), [Choice("units", (32, 64))])` stands for the choices "layers", "units[0]" and "units[1]",
    the last one active when "layers" is 2. The repetitions share the state "units", so what is learned of one is known
    of all. A condition inside the block that names a choice of the block means the same repetition's.
    """

    name: str
    times: tuple[Action, ...]
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
        """Checks the block.

        Raises:
            ValueError: a number of times is not a whole number of at least 0, or the block is empty.
        """
        count = Choice(name, times, when, state)
        for value in count.actions:
            if type(value) is not int or value < 0:
                raise ValueError(f'repeat "{name}": times must be whole numbers of at least 0, not {value!r}')
        if not block:
            raise ValueError(f'repeat "{name}" has an empty block')
        object.__setattr__(self, "name", name)
        object.__setattr__(self, "times", count.actions)
        object.__setattr__(self, "block", tuple(block))
        object.__setattr__(self, "when", count.when)
        object.__setattr__(self, "state", count.state)


class Edge(NamedTuple):
    """One step that a space allows: from a choice (or START) to the next (or END)."""

    source: str
    target: str


@dataclass(frozen=True, slots=True, init=False, repr=False)
class SearchSpace:
    """A named, ordered set of choices; a condition may only look back.

    Attributes:
        name: the space is known by it; two spaces of one name are taken for versions of one space.
        choices: every choice, repetitions written out.
    """

    name: str
    choices: tuple[Choice, ...]

    def __init__(self, name: str, choices: Iterable[Choice | Repeat]) -> None:
        """Checks the space.

        Raises:
            ValueError: no name, no choice, a name twice, or a condition on a choice that is unknown, later, or lacks
                the action it is compared with.
        """
        if not isinstance(name, str) or not name:
            raise ValueError(f"a search space needs a name that is a non-empty string, not {name!r}")
        expanded = tuple(choice for item in choices for choice in _expand(item))
        if not expanded:
            raise ValueError(f'search space "{name}" is empty; give it at least one Choice')
        object.__setattr__(self, "name", name)
        object.__setattr__(self, "choices", expanded)
        _check_names(self)
        _check_conditions(self)

    def __repr__(self) -> str:
        """Returns the name and the number of choices."""
        return f"SearchSpace({self.name!r}, {len(self.choices)} choices)"

    def __getitem__(self, name: str) -> Choice:
        """Returns the choice of that name.

        Raises:
            KeyError: there is none.
        """
        for choice in self.choices:
            if choice.name == name:
                return choice
        raise KeyError(f'search space "{self.name}" has no choice "{name}"')

    def next_choice(self, config: Config) -> Choice | None:
        """Returns the first choice that is active and not yet made; None when the configuration is complete."""
        made: dict[str, Action] = {}
        for choice in self.choices:
            if holds(choice.when, made):
                if choice.name not in config:
                    return choice
                made[choice.name] = plain(config[choice.name])
        return None

    def validate(self, config: Config) -> None:
        """Checks that a configuration makes exactly the active choices, with actions they have.

        Raises:
            ValueError: a choice is missing, unknown or inactive, or an action unknown; the message names the choice.
        """
        if not isinstance(config, Mapping):
            raise ValueError(f'a configuration of search space "{self.name}" maps choices to actions; got {config!r}')
        unknown = [name for name in config if all(name != choice.name for choice in self.choices)]
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
                made[choice.name] = choice.actions[choice.index(config[choice.name])]

    @property
    def size(self) -> int:
        """The exact number of configurations."""
        return sum(_sweep(self)[0].values())

    @property
    def edges(self) -> tuple[Edge, ...]:
        """Every step from one choice to the next that some configuration takes, START and END included."""
        return tuple(_sweep(self)[1])

    def enumerate(self) -> Iterator[dict[str, Action]]:
        """Yields every configuration once, the last choices varying fastest."""
        stack: list[dict[str, Action]] = [{}]
        while stack:
            config = stack.pop()
            choice = self.next_choice(config)
            if choice is None:
                yield config
            else:
                stack.extend({**config, choice.name: action} for action in reversed(choice.actions))


def _expand(item: Choice | Repeat) -> Iterator[Choice]:
    if isinstance(item, Choice):
        yield item
        return
    if not isinstance(item, Repeat):
        raise TypeError(f"a search space is made of Choice and Repeat, not {item!r}")
    yield Choice(item.name, item.times, item.when, item.state)
    local = _block_names(item.block)
    for turn in range(max(int(value) for value in item.times if value is not None)):
        enough = In(item.name, tuple(value for value in item.times if value is not None and int(value) > turn))
        names = {name: f"{name}[{turn}]" for name in local}
        for part in item.block:
            yield from _expand(_turn(part, names, enough))


def _block_names(block: Sequence[Choice | Repeat]) -> list[str]:
    names = []
    for part in block:
        names.append(part.name)
        if isinstance(part, Repeat):
            names += _block_names(part.block)
    return names


def _turn(part: Choice | Repeat, names: Mapping[str, str], enough: Condition | None) -> Choice | Repeat:
    """Returns one repetition of a part of a block: names with their index, active when the count is high enough."""
    own = rename(part.when, names)
    when = own if enough is None else enough if own is None else And((enough, own))
    if isinstance(part, Choice):
        return Choice(names[part.name], part.actions, when, part.state)
    block = [_turn(inner, names, None) for inner in part.block]
    times = [value for value in part.times if isinstance(value, int)]
    return Repeat(names[part.name], times, block, when, part.state)


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
                raise ValueError(f'{where} names "{literal.choice}", which is no choice of the space')
            if position[literal.choice] >= index:
                raise ValueError(f'{where} names "{literal.choice}", which is not made before it; put it first')
            for action in literal.actions if isinstance(literal, In) else (literal.action,):
                try:
                    space.choices[position[literal.choice]].index(action)
                except ValueError as error:
                    raise ValueError(f"{where} can not be met: {error}") from None
        try:
            disjunction(choice.when, lambda name: space.choices[position[name]].actions)
        except ValueError as error:
            raise ValueError(f'choice "{choice.name}" in search space "{space.name}": {error}') from None


# What is left of a partial configuration: its last choice, and what is left of the later choices' conditions.
_Partial = tuple[str, tuple[Condition | bool, ...]]


def _sweep(space: SearchSpace) -> tuple[dict[_Partial, int], dict[Edge, None]]:
    """Counts configurations and collects steps in one pass over the choices.

    Partial configurations that leave the same of every later condition are counted together, so the cost grows with
    what conditions can still tell apart, not with the size of the space.
    """
    counts: dict[_Partial, int] = {(START, tuple(True if c.when is None else c.when for c in space.choices)): 1}
    edges: dict[Edge, None] = {}
    for choice in space.choices:
        grown: dict[_Partial, int] = {}
        for (last, (active, *rest)), count in counts.items():
            if active:
                edges[Edge(last, choice.name)] = None
            for action in choice.actions if active else (None,):
                left = tuple(reduce(condition, choice.name, action, bool(active)) for condition in rest)
                key = (choice.name if active else last, left)
                grown[key] = grown.get(key, 0) + count
        counts = grown
    for last, _ in counts:
        edges[Edge(last, END)] = None
    return counts, edges
