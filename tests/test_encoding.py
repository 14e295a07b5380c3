"""Problems as arrays: the way there and back, the rules, and the padding."""

import re

import numpy as np
import pytest
from hypothesis import given

from strategies import problems, quick, spaces_with_config, typed
from transfernas.spaces.choice import Choice
from transfernas.spaces.condition import Action, Config
from transfernas.spaces.encoding import Encoding, encode
from transfernas.spaces.problem import Problem
from transfernas.spaces.space import SearchSpace
from transfernas.spaces.tables import Rules, power_of_two
from transfernas.spaces.vocabulary import Vocabulary

BoolArray = np.ndarray[tuple[int, ...], np.dtype[np.bool_]]
IntArray = np.ndarray[tuple[int, ...], np.dtype[np.int64]]


def encoded(*given_problems: Problem) -> Encoding:
    return encode(given_problems, Vocabulary().extended(given_problems))


def figure_one() -> tuple[Problem, Problem]:
    cnn = SearchSpace("cnn", [Choice("layers", (0, 1, 2)), Choice("units", (32, 64), when={"layers": 1})])
    ffn = SearchSpace("ffn", [Choice("units", (32, 64)), Choice("activation", ("relu",)), Choice("bias", (0, 1))])
    return Problem(cnn, "digits"), Problem(ffn, "wine")


def indices_of(space: SearchSpace, config: Config, shape: tuple[int, ...], inactive: int) -> IntArray:
    """Returns what each choice took, S first, as a rollout writes it."""
    action_indices = np.full(shape, inactive)
    action_indices[0] = 0
    for number, choice in enumerate(space.choices):
        if choice.name in config:
            action_indices[number + 1] = choice.index(config[choice.name])
    return action_indices


def active(rules: Rules, space: int, choice: int, action_indices: IntArray) -> BoolArray:
    """Evaluates the rule of one choice for taken actions of shape `[batch, choices]`."""
    looks_at, allows = np.asarray(rules.choice)[space, choice], np.asarray(rules.allows)[space, choice]
    terms, literals = np.indices(looks_at.shape)
    met: BoolArray = allows[terms, literals, action_indices[:, looks_at]].all(axis=-1).any(axis=-1)
    return met


def partial_configs(space: SearchSpace) -> list[dict[str, Action]]:
    """Returns every configuration, complete or not, that choices made in order lead to."""
    found: list[dict[str, Action]] = [{}]
    for config in found:  # grows as it goes
        choice = space.next_choice(config)
        if choice is not None:
            found += [{**config, choice.name: action} for action in choice.actions]
    return found


@pytest.mark.parametrize(("number", "expected"), [(0, 1), (1, 1), (2, 2), (3, 4), (4, 4), (5, 8), (1025, 2048)])
def test_power_of_two(number: int, expected: int) -> None:
    assert power_of_two(number) == expected


def test_tables_of_two_small_problems() -> None:
    tables = encoded(*figure_one()).tables
    # States: S, layers, units, activation, bias. Actions: cnn, layers 0 1 2, units 32 64, ffn, relu, bias 0 1.
    # Decisions: S of cnn, layers, units, S of ffn, activation, bias; the last two are padding.
    assert np.asarray(tables.decisions.state).tolist() == [0, 1, 2, 0, 3, 4, 0, 0]
    assert np.asarray(tables.decisions.actions).tolist() == [
        [0, 0, 0, 0],
        [1, 2, 3, 0],
        [4, 5, 0, 0],
        [6, 0, 0, 0],
        [7, 0, 0, 0],
        [8, 9, 0, 0],
        [0, 0, 0, 0],
        [0, 0, 0, 0],
    ]
    assert np.asarray(tables.decisions.available).sum(axis=1).tolist() == [1, 3, 2, 1, 1, 2, 1, 1]
    assert np.asarray(tables.rules.decision).tolist() == [[0, 1, 2, 0], [3, 2, 4, 5]]
    assert np.asarray(tables.rules.choice).tolist() == [[[[0]], [[0]], [[1]], [[0]]], [[[0]], [[0]], [[0]], [[0]]]]
    yes, no = [[[True] * 5]], [[[False] * 5]]
    assert np.asarray(tables.rules.allows).tolist() == [
        [yes, yes, [[[False, True, False, False, False]]], no],
        [yes, yes, yes, yes],
    ]
    assert np.asarray(tables.space).tolist() == [0, 1]
    assert np.asarray(tables.task).tolist() == [0, 1]
    assert (int(tables.problems), int(tables.longest)) == (2, 4)
    assert np.asarray(tables.slots).tolist() == list(range(8))  # S, 2 units, 1 activation, 2 bias: 6


def test_trajectory_of_a_configuration() -> None:
    encoding = encoded(*figure_one())
    short, long = encoding.trajectory(0, {"layers": 1, "units": 64}), encoding.trajectory(0, {"layers": 2})
    ffn = encoding.trajectory(1, {"bias": 1, "activation": "relu", "units": 64})
    assert [np.asarray(part).tolist() for part in short] == [0, [0, 1, 2, 0], [0, 1, 1, 0], 3]
    assert [np.asarray(part).tolist() for part in long] == [0, [0, 1, 0, 0], [0, 2, 0, 0], 2]
    assert [np.asarray(part).tolist() for part in ffn] == [1, [3, 2, 4, 5], [0, 1, 0, 1], 4]
    with pytest.raises(ValueError, match='choice "units" of search space "cnn" is active but was not made'):
        encoding.trajectory(0, {"layers": 1})


@pytest.mark.thorough
@quick
@given(spaces_with_config(), problems())
def test_decode_inverts_encode(pair: tuple[SearchSpace, dict[str, Action]], others: tuple[Problem, ...]) -> None:
    space, config = pair
    encoding = encoded(*others, Problem(space, "digits"))
    row, rules = len(others), encoding.tables.rules
    trajectory = encoding.trajectory(row, config)
    assert int(trajectory.length) == len(config) + 1
    assert np.shape(trajectory.decisions) == np.shape(trajectory.actions) == (encoding.steps,)
    assert typed(encoding.config(row, trajectory)) == typed(config)
    action_indices = indices_of(space, config, rules.decision.shape[1:], inactive=rules.allows.shape[-1] - 1)
    assert typed(encoding.config_of_indices(row, action_indices)) == typed(config)


@pytest.mark.thorough
@quick
@given(problems())
def test_decisions_are_the_choices(given_problems: tuple[Problem, ...]) -> None:
    vocabulary = Vocabulary().extended(given_problems)
    decisions, rules, *_ = encode(given_problems, vocabulary).tables
    for row, problem in enumerate(given_problems):
        names = [("<S>", (problem.space.name,)), *((choice.state, choice.actions) for choice in problem.space.choices)]
        for number, (state, actions) in enumerate(names):
            decision = rules.decision[row, number]
            available = np.flatnonzero(decisions.available[decision])
            assert decisions.state[decision] == vocabulary.state(state)
            assert available.tolist() == list(range(len(actions)))
            known = [vocabulary.action(state, action) for action in actions]
            assert np.asarray(decisions.actions)[decision, available].tolist() == known


@pytest.mark.thorough
@quick
@given(problems())
def test_sizes_are_powers_of_two_and_enough(given_problems: tuple[Problem, ...]) -> None:
    encoding = encoded(*given_problems)
    tables = encoding.tables
    arrays = [*tables.decisions, *tables.rules[:2], tables.space, tables.task, tables.slots]
    sizes = {size for array in arrays for size in array.shape} | {*tables.rules.allows.shape[:-1], encoding.steps}
    assert all(size.bit_count() == 1 for size in sizes)
    assert tables.rules.allows.shape[-1] == tables.decisions.actions.shape[-1] + 1
    configurations = [(problem.space, config) for problem in given_problems for config in problem.space.enumerate()]
    assert encoding.steps >= int(tables.longest) >= 1 + max(len(config) for _, config in configurations)
    assert np.asarray(tables.slots).tolist() == list(range(len(tables.slots)))
    candidates = [1 + sum(len(space[name].actions) for name in config) for space, config in configurations]
    assert len(tables.slots) >= max(candidates)


@pytest.mark.thorough
@quick
@given(problems())
def test_rules_agree_with_next_choice(given_problems: tuple[Problem, ...]) -> None:
    rules = encoded(*given_problems).tables.rules
    inactive = rules.allows.shape[-1] - 1
    for row, problem in enumerate(given_problems):
        space = problem.space
        partial = partial_configs(space)
        action_indices = np.stack([indices_of(space, config, rules.decision.shape[1:], inactive) for config in partial])
        numbers = range(action_indices.shape[1])
        to_make = [
            active(rules, row, number, action_indices) & (action_indices[:, number] == inactive) for number in numbers
        ]
        first = np.argmax(to_make, axis=0)  # 0, which is S, when there is none
        names = [None, *(choice.name for choice in space.choices)]
        expected = [choice and choice.name for choice in map(space.next_choice, partial)]
        assert [names[number] for number in first] == expected
        assert active(rules, row, 0, action_indices).all()  # S always is


@pytest.mark.thorough
@quick
@given(problems())
def test_padding_is_never_met(given_problems: tuple[Problem, ...]) -> None:
    decisions, rules, space, task, *_ = encoded(*given_problems).tables
    lengths = [1 + len(problem.space.choices) for problem in given_problems]
    lengths += [0] * (len(rules.decision) - len(lengths))
    for row, length in enumerate(lengths):
        assert not np.asarray(rules.allows)[row, length:].any()
    met = {int(rules.decision[row, number]) for row, length in enumerate(lengths) for number in range(length)}
    assert met == set(range(len(met)))
    padded = np.asarray(decisions.available)[len(met) :]
    assert padded[:, 0].all() and not padded[:, 1:].any()
    assert np.asarray(space)[: len(given_problems)].tolist() == list(range(len(given_problems)))
    assert not np.asarray(space)[len(given_problems) :].any() and not np.asarray(task)[len(given_problems) :].any()


def test_problems_that_share_a_space_share_its_rows() -> None:
    cnn, ffn = figure_one()
    alone, tables = encoded(cnn, ffn).tables, encoded(cnn, ffn, Problem(cnn.space, "wine")).tables
    assert np.asarray(tables.space).tolist() == [0, 1, 0, 0]
    assert np.asarray(tables.task).tolist() == [0, 1, 1, 0]
    assert int(tables.problems) == 3
    for array, other in zip((*tables.decisions, *tables.rules), (*alone.decisions, *alone.rules), strict=True):
        np.testing.assert_array_equal(array, other)


def test_one_state_with_two_sets_of_actions_is_two_decisions() -> None:
    choices = [Choice(name, actions, state="u") for name, actions in (("a", (1, 2)), ("b", (1, 2)), ("c", (2, 1)))]
    space = SearchSpace("s", choices)
    assert np.asarray(encoded(Problem(space, "t")).tables.rules.decision).tolist() == [[0, 1, 1, 2]]


def test_row() -> None:
    cnn, ffn = figure_one()
    encoding = encoded(cnn, ffn)
    assert [encoding.row(ffn), encoding.row(Problem(cnn.space, "digits", objective=lambda config: 0.0))] == [1, 0]
    text = "('cnn', 'wine') is not a problem of this search; (space, task) can be ('cnn', 'digits'), ('ffn', 'wine')"
    with pytest.raises(ValueError, match=re.escape(text)):
        encoding.row(Problem(cnn.space, "wine"))
