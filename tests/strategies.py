"""Hypothesis strategies: random conditional spaces, configurations of them, problems over them."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import jaxtyping
from hypothesis import settings
from hypothesis import strategies as st

from transfernas.spaces.choice import Choice, Repeat
from transfernas.spaces.condition import Action, And, Condition, Config, Equal, In, Not, Or
from transfernas.spaces.problem import Problem
from transfernas.spaces.space import SearchSpace

# Few names and few actions, so that spaces share states, and `True`, `1`, `1.0` and "1" meet in one choice.
NAMES = ("layers", "units", "kernel size", "rate", "activation", "pool", 'odd "<&>"', "état")
ACTIONS: tuple[Action, ...] = (None, False, True, 0, 1, 2, 0.0, 1.0, 0.5, "", "1", "relu")
TASKS = ("digits", "wine", "cancer")
MOST_CHOICES = 6

quick = settings(max_examples=40, deadline=None)


@contextmanager
def unchecked() -> Iterator[None]:
    """Turns the tests' type checks off.

    Users run without, and get the library's own words for a wrong type.
    """
    before = jaxtyping.config.jaxtyping_disable
    jaxtyping.config.update("jaxtyping_disable", True)
    try:
        yield
    finally:
        jaxtyping.config.update("jaxtyping_disable", before)


def typed(config: Config) -> dict[str, tuple[str, Action]]:
    """Returns a configuration in which `True`, `1` and `1.0` differ."""
    return {name: _key(action) for name, action in config.items()}


def actions() -> st.SearchStrategy[tuple[Action, ...]]:
    return st.lists(st.sampled_from(ACTIONS), min_size=1, max_size=4, unique_by=_key).map(tuple)


@st.composite
def conditions(draw: st.DrawFn, earlier: Sequence[Choice], depth: int = 2) -> Condition:
    """Conditions on the given choices, nested up to the depth."""
    return draw(_conditions(earlier, depth))


@st.composite
def spaces(draw: st.DrawFn, name: str = "space") -> SearchSpace:
    """Spaces of 1 to 6 choices, repetitions written out."""
    names = iter(draw(st.permutations(NAMES)))
    length = draw(st.integers(1, MOST_CHOICES))
    items: list[Choice | Repeat] = []
    made: tuple[Choice, ...] = ()
    while len(made) < length:
        room = length - len(made)
        repeated = room > 1 and draw(st.sampled_from((False, False, False, True)))
        items.append(draw(_repeats(names, made, room)) if repeated else draw(_choices(next(names), made)))
        made = SearchSpace(name, items).choices
    return SearchSpace(name, items)


@st.composite
def configs(draw: st.DrawFn, space: SearchSpace) -> dict[str, Action]:
    """Complete configurations of one space."""
    config: dict[str, Action] = {}
    while (choice := space.next_choice(config)) is not None:
        config[choice.name] = draw(st.sampled_from(choice.actions))
    return config


@st.composite
def spaces_with_config(draw: st.DrawFn) -> tuple[SearchSpace, dict[str, Action]]:
    space = draw(spaces())
    return space, draw(configs(space))


@st.composite
def problems(draw: st.DrawFn) -> tuple[Problem, ...]:
    """1 to 3 problems over distinct spaces that have names of choices, and maybe a task, in common."""
    count = draw(st.integers(1, 3))
    return tuple(Problem(draw(spaces(f"space {number}")), draw(st.sampled_from(TASKS))) for number in range(count))


def _key(action: Action) -> tuple[str, Action]:
    return type(action).__name__, action


def _conditions(earlier: Sequence[Choice], depth: int) -> st.SearchStrategy[Condition]:
    literals = st.sampled_from(earlier).flatmap(_literals)
    if depth == 0:
        return literals
    inner = _conditions(earlier, depth - 1)
    parts = st.lists(inner, min_size=1, max_size=3).map(tuple)
    return st.one_of(literals, inner.map(Not), parts.map(And), parts.map(Or))


def _literals(choice: Choice) -> st.SearchStrategy[Condition]:
    members = st.lists(st.sampled_from(choice.actions), min_size=1, unique_by=_key).map(tuple)
    return st.one_of(
        st.sampled_from(choice.actions).map(lambda action: Equal(choice.name, action)),
        members.map(lambda some: In(choice.name, some)),
    )


@st.composite
def _choices(draw: st.DrawFn, name: str, earlier: tuple[Choice, ...]) -> Choice:
    when = draw(st.none() | _conditions(earlier, depth=2)) if earlier else None
    state = draw(st.sampled_from((None, None, "shared", "units")))
    return Choice(name, draw(actions()), when, state)


@st.composite
def _repeats(draw: st.DrawFn, names: Iterator[str], earlier: tuple[Choice, ...], room: int) -> Repeat:
    width = draw(st.integers(1, min(2, room - 1)))
    most = min(2, (room - 1) // width)
    times = draw(st.lists(st.integers(1, most), min_size=1, unique=True)) + draw(st.sampled_from(([], [0])))
    like = draw(_choices(next(names), earlier))
    block: list[Choice] = []
    for _ in range(width):
        block.append(draw(_choices(next(names), (*earlier, Choice(like.name, times), *block))))
    return Repeat(like.name, times, block, like.when, like.state)
