"""Choices, repetitions and spaces: what they refuse, stand for, count and enumerate."""

import itertools
import math
import re
from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given

from strategies import quick, spaces, typed, unchecked
from transfernas.spaces.condition import Action, And, Config, Equal, In, Not
from transfernas.spaces.problem import Problem, check_problems
from transfernas.spaces.space import END, START, Choice, Edge, Repeat, SearchSpace

UNIT = Choice("unit", (1, 2))


def net(*choices: Choice | Repeat) -> SearchSpace:
    return SearchSpace("net", choices)


def small() -> SearchSpace:
    """Layers 1 has no unit; layers 2 has one, and a flag when the unit is 32."""
    return net(
        Choice("layers", (1, 2)),
        Choice("unit", (32, 64), when={"layers": 2}),
        Choice("flag", (False, True), when={"unit": 32}),
    )


@pytest.mark.parametrize(
    ("make", "error", "text"),
    [
        (lambda: Choice("", (1,)), ValueError, "a choice needs a name that is a non-empty string, not ''"),
        (lambda: Choice(3, (1,)), ValueError, "a choice needs a name that is a non-empty string, not 3"),  # type: ignore[arg-type]
        (lambda: Choice(START, (1,)), ValueError, '"<S>" and "<T>" are the names of the start and terminal state'),
        (lambda: Choice("a", (1,), state=END), ValueError, '"<S>" and "<T>" are the names of the start'),
        (
            lambda: Choice("a", "relu"),
            TypeError,
            "choice \"a\": actions='relu' is one string; write a tuple, ('relu',)",
        ),
        (lambda: Choice("a", ()), ValueError, 'choice "a" has no actions; give at least one'),
        (lambda: Choice("a", (1, 2, 1)), ValueError, 'choice "a" has the action 1 twice'),
        (lambda: Choice("a", (1, np.int64(1))), ValueError, 'choice "a" has the action 1 twice'),  # type: ignore[arg-type]
        (lambda: Choice("a", (0.1, math.nan)), ValueError, 'choice "a": nan cannot be an action'),
        (lambda: Choice("a", (1, [2])), TypeError, 'choice "a": [2] of type list cannot be an action'),  # type: ignore[arg-type]
        (lambda: Choice("a", 3), TypeError, 'choice "a": '),  # type: ignore[arg-type]
        (lambda: Choice("a", (1,), when={}), ValueError, "when={} names no choice"),
        (
            lambda: Repeat("n", (1, -1), [UNIT]),
            ValueError,
            'repeat "n": times must be whole numbers of at least 0, not -1',
        ),
        (
            lambda: Repeat("n", (True,), [UNIT]),
            ValueError,
            'repeat "n": times must be whole numbers of at least 0, not Tr',
        ),
        (
            lambda: Repeat("n", (1.5,), [UNIT]),
            ValueError,
            'repeat "n": times must be whole numbers of at least 0, not 1.5',
        ),  # type: ignore[arg-type]
        (lambda: Repeat("n", (), [UNIT]), ValueError, 'choice "n" has no actions'),
        (lambda: Repeat("n", (1,), []), ValueError, 'repeat "n" has an empty block'),
        (lambda: SearchSpace("", [UNIT]), ValueError, "a search space needs a name that is a non-empty string, not ''"),
        (lambda: net(), ValueError, 'search space "net" is empty; give it at least one Choice'),
        (lambda: net(3), TypeError, "a search space is made of Choice and Repeat, not 3"),  # type: ignore[arg-type]
        (lambda: net(UNIT, UNIT), ValueError, 'search space "net" has two choices called "unit"'),
        (
            lambda: net(Choice("unit[0]", (1,)), Repeat("n", (1,), [UNIT])),
            ValueError,
            'search space "net" has two choices called "unit[0]"',
        ),
        (
            lambda: net(Choice("a", (1,), when={"unit": 1}), UNIT),
            ValueError,
            'the condition of choice "a" in search space "net" names "unit", which is not made before it; put it first',
        ),
        (
            lambda: net(Choice("a", (1,), when={"a": 1})),
            ValueError,
            'the condition of choice "a" in search space "net" names "a", which is not made before it',
        ),
        (
            lambda: net(UNIT, Choice("a", (1,), when=~(Equal("unit", 1) & Equal("z", 1)))),
            ValueError,
            'the condition of choice "a" in search space "net" names "z", which is no choice of the space',
        ),
        (
            lambda: net(Repeat("n", (1,), [UNIT]), Choice("a", (1,), when={"unit": 1})),
            ValueError,
            'the condition of choice "a" in search space "net" names "unit", which is no choice of the space',
        ),
        (
            lambda: net(UNIT, Choice("a", (1,), when=~In("unit", (2, 3)))),
            ValueError,
            'the condition of choice "a" in search space "net" can not be met: choice "unit" has no action 3',
        ),
        (
            lambda: net(UNIT, Choice("a", (1,), when={"unit": True})),
            ValueError,
            'condition of choice "a" in search space "net" can not be met: choice "unit" has no action True (it has 1',
        ),
    ],
)
@unchecked()
def test_constructors_refuse(make: Callable[[], object], error: type[Exception], text: str) -> None:
    with pytest.raises(error, match=re.escape(text)):
        make()


def test_actions_become_plain_and_keep_their_types() -> None:
    values = Choice("a", (np.float64(0.5), True, 1, 1.0, "1", None)).actions
    assert repr(values) == "(0.5, True, 1, 1.0, '1', None)"


def test_index() -> None:
    choice = Choice("a", (1.0, True, 1, None))
    assert [choice.index(action) for action in choice.actions] == [0, 1, 2, 3]
    assert choice.index(np.float64(1)) == 0
    with pytest.raises(ValueError, match=re.escape('choice "a" has no action 2; its actions are (1.0, True, 1, None)')):
        choice.index(2)


def test_spaces_differ_by_the_type_of_an_action() -> None:
    of_int, of_bool = Choice("a", (1,)), Choice("a", (True,))
    assert of_int != of_bool
    assert net(of_int) != net(of_bool)
    with pytest.raises(ValueError, match='two different search spaces are called "net"'):
        check_problems([Problem(net(of_int), "digits"), Problem(net(of_bool), "wine")])


def test_getitem_and_repr() -> None:
    assert small()["unit"].actions == (32, 64)
    with pytest.raises(KeyError, match='search space \\\\?"net\\\\?" has no choice \\\\?"units'):
        small()["units"]
    assert repr(small()) == "SearchSpace('net', 3 choices)"


def test_repeat_is_written_out() -> None:
    block = [Choice("unit", (32, 64)), Choice("drop", (0.1, 0.2), {"unit": 64})]
    space = net(Repeat("layers", (0, 1, 2), block))
    assert space.choices == (
        Choice("layers", (0, 1, 2)),
        Choice("unit[0]", (32, 64), In("layers", (1, 2)), "unit"),
        Choice("drop[0]", (0.1, 0.2), And((In("layers", (1, 2)), Equal("unit[0]", 64))), "drop"),
        Choice("unit[1]", (32, 64), In("layers", (2,)), "unit"),
        Choice("drop[1]", (0.1, 0.2), And((In("layers", (2,)), Equal("unit[1]", 64))), "drop"),
    )
    assert space.size == 1 + 3 + 3 * 3


def test_repeat_in_a_repeat() -> None:
    inner = Repeat("skips", (0, 1), [Choice("from", (0, 1), {"op": "conv"})], {"op": ("conv", "pool")})
    space = net(Repeat("cells", (2, 1), [Choice("op", ("conv", "pool", "none")), inner]))
    assert space.choices == (
        Choice("cells", (2, 1)),
        Choice("op[0]", ("conv", "pool", "none"), In("cells", (2, 1)), "op"),
        Choice("skips[0]", (0, 1), In("cells", (2, 1)) & In("op[0]", ("conv", "pool")), "skips"),
        Choice("from[0][0]", (0, 1), In("skips[0]", (1,)) & Equal("op[0]", "conv"), "from"),
        Choice("op[1]", ("conv", "pool", "none"), In("cells", (2,)), "op"),
        Choice("skips[1]", (0, 1), In("cells", (2,)) & In("op[1]", ("conv", "pool")), "skips"),
        Choice("from[1][0]", (0, 1), In("skips[1]", (1,)) & Equal("op[1]", "conv"), "from"),
    )
    cell = 3 + 2 + 1  # conv: no skip, or one from 0 or 1; pool: no skip or one; none
    assert space.size == cell + cell**2


def test_repeat_with_a_condition_states_and_no_turn() -> None:
    deep = Choice("deep", (False, True))
    repeat = Repeat("layers", (1, 2), [Choice("unit", (1, 2), {"deep": True}, "width")], {"deep": True}, "depth")
    space = net(deep, repeat, Repeat("heads", (0,), [Choice("head", (1, 2))]))
    assert [choice.name for choice in space.choices] == ["deep", "layers", "unit[0]", "unit[1]", "heads"]
    assert [choice.state for choice in space.choices] == ["deep", "depth", "width", "width", "heads"]
    assert list(space.enumerate())[0] == {"deep": False, "heads": 0}
    assert space.size == 1 + 2 + 4


@pytest.mark.parametrize(
    ("config", "text"),
    [
        ({}, 'choice "layers" of search space "net" is active but was not made'),
        ({"layers": 2}, 'choice "unit" of search space "net" is active but was not made'),
        (
            {"layers": 1, "units": 3},
            'search space "net" has no choice "units"; its choices are "layers", "unit", "flag"',
        ),
        ({"layers": 1, "unit": 32}, 'choice "unit" of search space "net" is not active here: it needs Equal('),
        ({"layers": 2, "unit": 64, "flag": True}, 'choice "flag" of search space "net" is not active here'),
        ({"layers": 3}, 'choice "layers" has no action 3; its actions are (1, 2)'),
        ({"layers": True}, 'choice "layers" has no action True (it has 1, of type int); its actions are (1, 2)'),
        ({"layers": 2, "unit": 32, "flag": 1}, 'choice "flag" has no action 1 (it has True, of type bool)'),
        ({"layers": math.nan}, '"layers"'),
        ({"layers": [1]}, '"layers"'),
    ],
)
@unchecked()
def test_validate_names_the_choice(config: Config, text: str) -> None:
    with pytest.raises(ValueError, match=re.escape(text)):
        small().validate(config)


@pytest.mark.parametrize(
    ("config", "expected"),
    [
        ({}, "layers"),
        ({"layers": 1}, None),
        ({"layers": 2}, "unit"),
        ({"layers": 2, "unit": 64}, None),
        ({"layers": 2, "unit": 32}, "flag"),
        ({"layers": 2, "unit": 32, "flag": False}, None),
        ({"unit": 32}, "layers"),
        ({"layers": 1, "unit": 32}, None),  # an inactive choice in the configuration activates nothing
    ],
)
def test_next_choice(config: Config, expected: str | None) -> None:
    choice = small().next_choice(config)
    assert (choice and choice.name) == expected


@pytest.mark.parametrize("condition", [np.float64(0.5), (np.float64(0.5), 1.0), 0.5])
def test_numpy_scalars_mean_the_same_everywhere(condition: object) -> None:
    space = net(Choice("rate", (0.5, 1.0, 1)), Choice("decay", (1, 2), when={"rate": condition}))
    found = space.next_choice({"rate": np.float64(0.5)})
    assert found is not None and found.name == "decay"
    space.validate({"rate": np.float64(0.5), "decay": 1})


def test_enumerate_in_order() -> None:
    assert list(small().enumerate()) == [
        {"layers": 1},
        {"layers": 2, "unit": 32, "flag": False},
        {"layers": 2, "unit": 32, "flag": True},
        {"layers": 2, "unit": 64},
    ]


def test_edges() -> None:
    steps = ["<S> layers", "layers unit", "unit flag", "layers <T>", "unit <T>", "flag <T>"]
    assert sorted(small().edges) == sorted(Edge(*step.split()) for step in steps)


@quick
@given(spaces())
def test_size_counts_what_is_enumerated(space: SearchSpace) -> None:
    found = [tuple(typed(config).items()) for config in space.enumerate()]
    assert space.size == len(found) == len(set(found)) >= 1


@quick
@given(spaces())
def test_edges_are_the_steps_of_the_enumeration(space: SearchSpace) -> None:
    walks = ([START, *config, END] for config in space.enumerate())
    steps = {Edge(*pair) for walk in walks for pair in itertools.pairwise(walk)}
    assert set(space.edges) == steps
    assert len(space.edges) == len(steps)


@quick
@given(spaces())
def test_enumerated_configurations_validate_and_need_every_choice(space: SearchSpace) -> None:
    for config in itertools.islice(space.enumerate(), 50):
        space.validate(config)
        for name in config:
            rest: dict[str, Action] = {key: action for key, action in config.items() if key != name}
            with pytest.raises(ValueError, match=re.escape(f'choice "{name}" of search space "space" is active but')):
                space.validate(rest)


def switched() -> SearchSpace:
    """30 switches, each with 3 units behind it."""
    pairs = [(Choice(f"on {i}", (False, True)), Choice(f"unit {i}", (1, 2, 3), {f"on {i}": True})) for i in range(30)]
    return net(*itertools.chain(*pairs))


def chained() -> SearchSpace:
    """60 choices, each made when the one before it took 1."""
    return net(Choice("0", (0, 1)), *(Choice(f"{i}", (0, 1), {f"{i - 1}": 1}) for i in range(1, 60)))


def sparse() -> SearchSpace:
    """60 choices, none made after one that took 1: as many configurations as strings of bits without "11"."""
    return net(Choice("0", (0, 1)), *(Choice(f"{i}", (0, 1), Not(Equal(f"{i - 1}", 1))) for i in range(1, 60)))


@pytest.mark.parametrize(
    ("space", "size", "edges"),
    [(switched(), 4**30, 1 + 30 + 2 * 30), (chained(), 61, 1 + 59 + 60), (sparse(), 4052739537881, 1 + 59 + 58 + 2)],
)
def test_size_of_a_big_space(space: SearchSpace, size: int, edges: int) -> None:
    assert len(space.choices) == 60
    assert (space.size, len(space.edges)) == (size, edges)
