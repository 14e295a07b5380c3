"""The vocabulary grows at its end, and says what of new problems was known."""

import pytest
from hypothesis import given

from strategies import problems, quick
from transfernas.spaces.choice import START, Choice
from transfernas.spaces.condition import Action
from transfernas.spaces.problem import Problem
from transfernas.spaces.space import SearchSpace
from transfernas.spaces.vocabulary import Vocabulary, transfer_report

CNN = Problem(SearchSpace("cnn", [Choice("filters", (16, 32)), Choice("units", (32, 64))]), "digits")
FFN = Problem(SearchSpace("ffn", [Choice("units", (64, 128)), Choice("unit", (64,), state="units")]), "wine")


def test_names_in_order_of_first_sight() -> None:
    vocabulary = Vocabulary().extended([CNN, FFN])
    assert vocabulary.states == (START, "filters", "units")
    assert vocabulary.actions == (
        (START, "str", "cnn"),
        ("filters", "int", 16),
        ("filters", "int", 32),
        ("units", "int", 32),
        ("units", "int", 64),
        (START, "str", "ffn"),
        ("units", "int", 128),
    )
    assert vocabulary.tasks == ("digits", "wine")
    assert [vocabulary.state(name) for name in (START, "filters", "units")] == [0, 1, 2]
    assert [vocabulary.space("cnn"), vocabulary.space("ffn"), vocabulary.action(START, "ffn")] == [0, 5, 5]
    assert [vocabulary.action("units", 64), vocabulary.action("filters", 32), vocabulary.task("wine")] == [4, 2, 1]


def test_types_of_actions_are_separate() -> None:
    values: tuple[Action, ...] = (1, True, 1.0, "1", 0, False, None)
    vocabulary = Vocabulary().extended([Problem(SearchSpace("s", [Choice("a", values)]), "t")])
    assert [vocabulary.action("a", value) for value in values] == [1, 2, 3, 4, 5, 6, 7]
    assert len(vocabulary.actions) == 8


@pytest.mark.thorough
@quick
@given(problems(), problems())
def test_growth_is_append_only(first: tuple[Problem, ...], second: tuple[Problem, ...]) -> None:
    before = Vocabulary().extended(first)
    after = before.extended(second)
    for old, new in ((before.states, after.states), (before.actions, after.actions), (before.tasks, after.tasks)):
        assert new[: len(old)] == old
        assert len(set(new)) == len(new)
    for problem in (*first, *second):
        assert after.tasks[after.task(problem.task)] == problem.task
        assert after.actions[after.space(problem.space.name)] == (START, "str", problem.space.name)
        for choice in problem.space.choices:
            assert after.states[after.state(choice.state)] == choice.state
            for action in choice.actions:
                key = (choice.state, type(action).__name__, action)
                assert after.actions[after.action(choice.state, action)] == key
    assert after.extended((*second, *first)) == after


def test_rows_by_state() -> None:
    rows = Vocabulary().extended([CNN, FFN]).rows_by_state()
    assert {state: found.tolist() for state, found in rows.items()} == {
        START: [0, 5],
        "filters": [1, 2],
        "units": [3, 4, 6],
    }


def test_a_state_under_another_name_keeps_its_rows() -> None:
    vocabulary = Vocabulary().extended([CNN, FFN])
    renamed = vocabulary.renamed({"units": "neurons", "filters": "channels"})
    assert renamed.states == (START, "channels", "neurons") and renamed.tasks == vocabulary.tasks
    assert [renamed.action("neurons", 128), renamed.state("neurons"), renamed.space("ffn")] == [6, 2, 5]
    assert vocabulary.states == (START, "filters", "units") and vocabulary.renamed({}) == vocabulary
    back = renamed.renamed({"neurons": "units", "channels": "filters"})
    assert back == vocabulary
    known = transfer_report(renamed, [CNN])
    assert (known.known_states, known.new_states) == ((), ("filters", "units"))


def test_transfer_report() -> None:
    report = transfer_report(Vocabulary().extended([CNN]), [FFN])
    assert (report.known_states, report.new_states) == (("units",), ())
    assert (report.known_actions, report.new_actions) == ((("units", 64),), (("units", 128),))
    assert (report.known_spaces, report.new_spaces) == ((), ("ffn",))
    assert (report.known_tasks, report.new_tasks) == ((), ("wine",))
    assert (report.source_spaces, report.source_tasks) == (("cnn",), ("digits",))
    assert not report.nothing_in_common
    assert str(report).splitlines() == [
        "Transfer from spaces cnn, tasks digits",
        "  states: 1 known, 0 new",
        "  actions: 1 known, 1 new: units=128",
        "  spaces: 0 known, 1 new: ffn",
        "  tasks: 0 known, 1 new: wine",
    ]


def test_transfer_report_of_one_space_known() -> None:
    report = transfer_report(Vocabulary().extended([CNN]), [Problem(CNN.space, "wine")])
    assert (report.known_spaces, report.new_spaces, report.new_states, report.new_actions) == (("cnn",), (), (), ())


def test_an_action_of_another_type_is_new() -> None:
    flags = Problem(SearchSpace("flags", [Choice("filters", (True, 16.0, 32))]), "wine")
    report = transfer_report(Vocabulary().extended([CNN]), [flags])
    assert repr(report.known_actions) == "(('filters', 32),)"
    assert repr(report.new_actions) == "(('filters', True), ('filters', 16.0))"


def test_nothing_in_common() -> None:
    other = Problem(SearchSpace("trees", [Choice("depth", tuple(range(10)))]), "wine")
    report = transfer_report(Vocabulary().extended([CNN]), [other])
    assert report.nothing_in_common
    lines = str(report).splitlines()
    shown = ", ".join(f"depth={depth}" for depth in range(8))
    assert lines[2] == f"  actions: 0 known, 10 new: {shown}, and 2 more"
    assert lines[-1] == "  nothing in common: the search starts as if from scratch"
    assert str(transfer_report(Vocabulary(), [CNN])).startswith("Transfer from spaces none, tasks none\n")


def test_a_task_or_space_alone_is_in_common() -> None:
    known = Vocabulary().extended([CNN])
    space = [Choice("depth", (1,))]
    assert not transfer_report(known, [Problem(SearchSpace("trees", space), "digits")]).nothing_in_common
    assert not transfer_report(known, [Problem(SearchSpace("cnn", space), "wine")]).nothing_in_common
