"""Choices, repetitions and spaces: what they refuse, stand for, count and enumerate."""

import itertools
import math
import re
from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given

from strategies import quick, spaces, typed, unchecked
from transfernas.spaces.choice import END, START, Choice, Repeat
from transfernas.spaces.condition import Action, And, Condition, Config, Equal, In, Not
from transfernas.spaces.counting import Edge
from transfernas.spaces.problem import Problem, check_problems
from transfernas.spaces.space import SearchSpace

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


# As called from code without types: users run without the checks of the tests.
choice: Callable[..., Choice] = Choice
repeat: Callable[..., Repeat] = Repeat


@pytest.mark.parametrize(
    ("make", "text"),
    [
        (lambda: choice("", (1,)), "a choice needs a name that is a non-empty string, not ''"),
        (lambda: choice(3, (1,)), "a choice needs a name that is a non-empty string, not 3"),
        (lambda: choice(START, (1,)), '"<S>" and "<T>" are the names of the start and terminal state'),
        (lambda: choice("a", (1,), state=END), '"<S>" and "<T>" are the names of the start and terminal state'),
        (lambda: choice("a", ()), 'choice "a" has no actions; give at least one'),
        (lambda: choice("a", (1, 2, 1)), 'choice "a" has the action 1 twice'),
        (lambda: choice("a", (1, np.int64(1))), 'choice "a" has the action 1 twice'),
        (lambda: choice("a", (0.1, math.nan)), 'choice "a": nan cannot be an action'),
        (lambda: choice("a", (1,), when={}), "when={} names no choice"),
        (lambda: repeat("n", (1, -1), [UNIT]), 'repeat "n": times must be whole numbers of at least 0, not -1'),
        (lambda: repeat("n", (True,), [UNIT]), 'repeat "n": times must be whole numbers of at least 0, not True'),
        (lambda: repeat("n", (1.5,), [UNIT]), 'repeat "n": times must be whole numbers of at least 0, not 1.5'),
        (lambda: repeat("n", (), [UNIT]), 'choice "n" has no actions'),
        (lambda: repeat("n", (1,), []), 'repeat "n" has an empty block'),
        (lambda: SearchSpace("", [UNIT]), "a search space needs a name that is a non-empty string, not ''"),
        (lambda: net(), 'search space "net" is empty; give it at least one Choice'),
        (lambda: net(UNIT, UNIT), 'search space "net" has two choices called "unit"'),
        (lambda: net(choice("unit[0]", (1,)), repeat("n", (1,), [UNIT])), '"net" has two choices called "unit[0]"'),
    ],
)
@unchecked()
def test_wrong_values(make: Callable[[], object], text: str) -> None:
    with pytest.raises(ValueError, match=re.escape(text)):
        make()


@pytest.mark.parametrize(
    ("make", "text"),
    [
        (lambda: choice("a", "relu"), "choice \"a\": actions must be a tuple or list, not 'relu'; write ('relu',)"),
        (lambda: choice("a", (1, [2])), 'choice "a": [2] of type list cannot be an action'),
        (lambda: choice("a", 3), 'choice "a": '),
        (lambda: SearchSpace("net", [3]), "a search space is made of Choice and Repeat, not 3"),  # type: ignore[list-item]
    ],
)
@unchecked()
def test_wrong_types(make: Callable[[], object], text: str) -> None:
    with pytest.raises(TypeError, match=re.escape(text)):
        make()


@pytest.mark.parametrize(
    ("earlier", "when", "text"),
    [
        (UNIT, Equal("later", 1), ' names "later", which is not made before it; put it first'),
        (UNIT, Equal("a", 1), ' names "a", which is not made before it; put it first'),
        (UNIT, ~(Equal("unit", 1) & Equal("z", 1)), ' names "z", which is not a choice of the space'),
        (Repeat("n", (1,), [UNIT]), Equal("unit", 1), ' names "unit", which is not a choice of the space'),
        (UNIT, ~In("unit", (2, 3)), ' cannot be met: choice "unit" has no action 3; its actions are (1, 2)'),
        (UNIT, Equal("unit", True), ' cannot be met: choice "unit" has no action True (it has 1, of type int)'),
    ],
)
def test_wrong_conditions(earlier: Choice | Repeat, when: Condition, text: str) -> None:
    with pytest.raises(ValueError, match=re.escape(f'the condition of choice "a" in search space "net"{text}')):
        net(earlier, Choice("a", (1,), when), Choice("later", (1,)))


def test_actions_become_plain_and_keep_their_types() -> None:
    values = Choice("a", (np.float64(0.5), True, 1, 1.0, "1", None)).actions
    assert repr(values) == "(0.5, True, 1, 1.0, '1', None)"


def test_index() -> None:
    mixed = Choice("a", (1.0, True, 1, None))
    assert [mixed.index(action) for action in mixed.actions] == [0, 1, 2, 3]
    assert mixed.index(np.float64(1)) == 0
    with pytest.raises(ValueError, match=re.escape('choice "a" has no action 2; its actions are (1.0, True, 1, None)')):
        mixed.index(2)


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
    layers = Repeat("layers", (1, 2), [Choice("unit", (1, 2), {"deep": True}, "width")], {"deep": True}, "depth")
    space = net(deep, layers, Repeat("heads", (0,), [Choice("head", (1, 2))]))
    assert [each.name for each in space.choices] == ["deep", "layers", "unit[0]", "unit[1]", "heads"]
    assert [each.state for each in space.choices] == ["deep", "depth", "width", "width", "heads"]
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
    found = small().next_choice(config)
    assert (found and found.name) == expected


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
