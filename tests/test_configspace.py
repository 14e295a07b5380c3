"""Spaces of ConfigSpace's in, configurations out; ConfigSpace itself is the oracle of what is legal."""

import contextlib
import importlib
import itertools
import re
import sys
import warnings
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import ConfigSpace as cs
import numpy as np
import pytest
from ConfigSpace.types import NotSet
from hypothesis import given, reject, settings
from hypothesis import strategies as st

from programs import python_blocks, run
from searchers import FAST
from strategies import typed, unchecked
from transfernas import Agent, In, Problem, RandomSearch
from transfernas.baselines.random import random_config
from transfernas.integrations.configspace import ConfigSpaceAdapter, from_configspace
from transfernas.spaces.condition import Config
from transfernas.spaces.domain import NumericDomain

few = settings(max_examples=60, deadline=None)
Params = dict[str, Any]

BINARY = (cs.EqualsCondition, cs.NotEqualsCondition)
ORDERED = (cs.GreaterThanCondition, cs.LessThanCondition)
# Without "greater than or equal", which prints, and "less than or equal", which ConfigSpace's sampler reads wrongly.
CLAUSES = (cs.ForbiddenGreaterThanClause, cs.ForbiddenLessThanClause)
RELATIONS = (cs.ForbiddenLessThanRelation, cs.ForbiddenGreaterThanEqualsRelation, cs.ForbiddenEqualsRelation)


@st.composite
def hyperparameters(draw: st.DrawFn, name: str, ranges: bool) -> Any:
    """A hyperparameter; without long ranges one of few values."""
    kind = draw(st.sampled_from(["categorical", "ordinal", "constant", "integer"] + ["long", "log", "float"] * ranges))
    if kind == "long":
        return cs.UniformIntegerHyperparameter(name, -5, draw(st.sampled_from([12, 100, 5_000])))
    if kind == "log":
        if draw(st.booleans()):
            return cs.UniformIntegerHyperparameter(name, 1, draw(st.sampled_from([20, 1_000])), log=True)
        return cs.UniformFloatHyperparameter(name, draw(st.sampled_from([1e-6, 0.3])), 1.0, log=True)
    if kind == "float":
        return cs.UniformFloatHyperparameter(name, draw(st.sampled_from([-1.0, 0.0, 0.11])), 0.9)
    if kind == "integer":
        return cs.UniformIntegerHyperparameter(name, 1, 3)
    if kind == "constant":
        return cs.Constant(name, draw(st.sampled_from(["relu", 0.5, 7])))
    values: list[Any] = draw(st.sampled_from([["a", "b", "c"], [3, 1, 2], [0.5, 8], [None, True, "x"]]))
    if kind == "categorical":
        return cs.CategoricalHyperparameter(name, values)
    return cs.OrdinalHyperparameter(name, [value for value in values if value is not None])


def values_in(parameter: Any) -> st.SearchStrategy[Any]:
    """Legal values of a hyperparameter."""
    match parameter:
        case cs.CategoricalHyperparameter():
            return st.sampled_from(parameter.choices)
        case cs.OrdinalHyperparameter():
            return st.sampled_from(parameter.sequence)
        case cs.Constant():
            return st.just(parameter.value)
        case cs.UniformIntegerHyperparameter():
            return st.integers(parameter.lower, parameter.upper)
    whole = st.floats(parameter.lower, parameter.upper).map(lambda value: float(np.round(value, 13)))
    return st.sampled_from([parameter.lower, parameter.upper, parameter.default_value]) | whole


@st.composite
def conditions(draw: st.DrawFn, child: Any, parents: list[Any]) -> Any:
    """A condition on one to three parents, each of them once."""
    parts = []
    for parent in draw(st.lists(st.sampled_from(parents), min_size=1, max_size=3, unique_by=lambda hp: hp.name)):
        kind = draw(st.sampled_from([*BINARY, cs.InCondition, *(ORDERED if parent.ORDERABLE else ())]))
        chosen = draw(st.lists(values_in(parent), min_size=1, max_size=3))
        parts.append(kind(child, parent, chosen if kind is cs.InCondition else chosen[0]))
    while len(parts) > 1:
        parts = [draw(st.sampled_from([cs.AndConjunction, cs.OrConjunction]))(*parts[:2]), *parts[2:]]
    return parts[0]


@st.composite
def clauses(draw: st.DrawFn, parameters: list[Any]) -> Any:
    """A clause that forbids values, or several at once."""
    parts = []
    for parameter in draw(st.lists(st.sampled_from(parameters), min_size=1, max_size=2, unique_by=lambda hp: hp.name)):
        kinds = [cs.ForbiddenEqualsClause, cs.ForbiddenInClause, *(CLAUSES if parameter.ORDERABLE else ())]
        kind = draw(st.sampled_from(kinds))
        value = draw(values_in(parameter))
        parts.append(kind(parameter, [value] if kind is cs.ForbiddenInClause else value))
    return parts[0] if len(parts) == 1 else cs.ForbiddenAndConjunction(*parts)


@st.composite
def configuration_spaces(draw: st.DrawFn, ranges: bool, forbid: bool = True) -> cs.ConfigurationSpace:
    """Spaces of up to four hyperparameters, conditional on those before them in a shuffled order of names."""
    space = cs.ConfigurationSpace(seed=draw(st.integers(0, 1000)))
    parameters: list[Any] = []
    for name in draw(st.permutations("abcd"))[: draw(st.integers(1, 4))]:
        parameter = draw(hyperparameters(name, ranges))
        space.add(parameter)
        conditional: bool = draw(st.booleans())
        if parameters and conditional:
            try:
                space.add(draw(conditions(parameter, parameters)))
            except cs.exceptions.ActiveHyperparameterNotSetError:  # ConfigSpace cannot build its own default of it
                reject()
        parameters.append(parameter)
    default = dict(space.get_default_configuration())
    for _ in range(draw(st.integers(0, 2)) if forbid else 0):
        clause = draw(clauses(parameters))
        if not clause.is_forbidden_value(default):  # else ConfigSpace refuses it
            space.add(clause)
    return space


def legal(space: cs.ConfigurationSpace, values: Mapping[str, Any]) -> bool:
    """Whether ConfigSpace takes a configuration; it is built anew, so that nothing is left of what was cached."""
    try:
        cs.Configuration(space, values=values).check_valid_configuration()
    except ValueError:
        return False
    return True


def every_assignment(space: cs.ConfigurationSpace) -> Iterator[Params]:
    """All ways to give some of the hyperparameters one of their few values."""
    options: list[list[Params]] = []
    parameter: Any
    for name, parameter in space.items():
        match parameter:
            case cs.CategoricalHyperparameter():
                values = list(parameter.choices)
            case cs.OrdinalHyperparameter():
                values = list(parameter.sequence)
            case cs.Constant():
                values = [parameter.value]
            case _:
                values = list(range(parameter.lower, parameter.upper + 1))
        options.append([{}, *({name: value} for value in values)])
    for parts in itertools.product(*options):
        yield {name: value for part in parts for name, value in part.items()}


def key(values: Mapping[str, Any]) -> tuple[Any, ...]:
    return tuple(sorted(typed(dict(values)).items()))


@few
@given(configuration_spaces(ranges=False))
def test_of_few_values_exactly_the_legal_configurations_come_out(space: cs.ConfigurationSpace) -> None:
    adapter = from_configspace(space)
    valid = adapter.problem("t").valid or (lambda config: True)
    ours = [key(dict(adapter.configuration(config))) for config in adapter.space.enumerate() if valid(config)]
    theirs = [key(values) for values in every_assignment(space) if legal(space, values)]
    assert sorted(map(repr, ours)) == sorted(map(repr, theirs))


@few
@given(configuration_spaces(ranges=True))
def test_what_configspace_samples_goes_in_and_comes_out_legal(space: cs.ConfigurationSpace) -> None:
    adapter = from_configspace(space)
    for sampled in space.sample_configuration(8):
        if not legal(space, dict(sampled)):  # the sampler may look at a condition before it knows what is active
            continue
        config = adapter.config(sampled)
        adapter.space.validate(config)
        for seed in (None, 0, 1):
            out = adapter.configuration(config, seed)
            assert legal(space, dict(out))
            assert set(out) == set(sampled)
            assert typed(adapter.config(out)) == typed(config)


@few
@given(configuration_spaces(ranges=True), st.integers(0, 1000))
def test_what_random_search_draws_is_legal_and_the_rest_is_refused(space: cs.ConfigurationSpace, seed: int) -> None:
    adapter = from_configspace(space)
    problem = adapter.problem("t")
    rng = np.random.default_rng(seed)
    for _ in range(8):
        config = random_config(problem, rng)
        if problem.valid is None or problem.valid(config):
            assert legal(space, dict(adapter.configuration(config)))
        else:
            with pytest.raises(cs.ForbiddenValueError, match="violates forbidden clause"):
                adapter.configuration(config)
    for trial in RandomSearch([problem], seed).ask(5):
        assert legal(space, dict(adapter.configuration(trial.config)))


@few
@given(configuration_spaces(ranges=True, forbid=False), st.integers(0, 1000))
def test_every_value_is_plain_and_in_its_range(space: cs.ConfigurationSpace, seed: int) -> None:
    adapter = from_configspace(space)
    config = random_config(adapter.problem("t"), np.random.default_rng(seed))
    for out in (adapter.configuration(config), adapter.configuration(config, seed)):
        assert all(not isinstance(value, np.generic) for value in dict(out).values())
        assert all(space[name].legal_value(value) for name, value in out.items())
        kinds = {
            name: type(value) for name, value in out.items() if isinstance(space[name], cs.UniformIntegerHyperparameter)
        }
        assert set(kinds.values()) <= {int}


def test_an_inactive_parent_is_unequal_and_nothing_else() -> None:
    space = cs.ConfigurationSpace({"on": [True, False], "n": (1, 3), "unequal": [0, 1], "less": [0, 1]})
    space.add(cs.EqualsCondition(space["n"], space["on"], True))
    space.add(cs.NotEqualsCondition(space["unequal"], space["n"], 2))
    space.add(cs.LessThanCondition(space["less"], space["n"], 3))
    adapter = from_configspace(space)
    assert [choice.name for choice in adapter.space.choices] == ["on", "n", "less", "unequal"]
    assert legal(space, {"on": False, "unequal": 0})
    adapter.space.validate({"on": False, "unequal": 0})


def parts_of(space: cs.ConfigurationSpace, child: str) -> list[Any]:
    child_of = space[child]
    return [
        cs.EqualsCondition(child_of, space["a"], "x"),
        cs.EqualsCondition(child_of, space["b"], "u"),
        cs.GreaterThanCondition(child_of, space["n"], 1),
    ]


def joined(child: str, kind: Any, *at: int) -> Callable[[cs.ConfigurationSpace], Any]:
    """A condition that joins some of the parts, in this order."""
    return lambda space: kind(*(parts_of(space, child)[number] for number in at))


def nested(child: str, inner: Any) -> Callable[[cs.ConfigurationSpace], Any]:
    def condition(space: cs.ConfigurationSpace) -> Any:
        first, *others = parts_of(space, child)
        return cs.AndConjunction(first, inner(*others))

    return condition


def below(child: str, kind: Any) -> Callable[[cs.ConfigurationSpace], Any]:
    """A condition on a hyperparameter that is conditional itself."""
    return lambda space: kind(
        cs.InCondition(space[child], space["c"], [0, 2]), cs.NotEqualsCondition(space[child], space["b"], "v")
    )


AND, OR = cs.AndConjunction, cs.OrConjunction
CONFUSED = {
    "and before or": [joined("c", AND, 0, 1), joined("d", OR, 0, 1)],
    "or before and, in another order": [joined("c", OR, 0, 1), joined("d", AND, 1, 0)],
    "nested": [nested("c", OR), nested("d", AND)],
    "four": [joined(child, kind, 0, 1, 2) for child, kind in zip("cdef", (AND, OR, OR, AND), strict=True)],
    "below another condition": [joined("c", OR, 0, 1), below("d", AND), below("e", OR)],
    "a part twice already": [joined("c", AND, 0, 1), joined("d", OR, 0, 1, 0), joined("e", AND, 1, 0, 0)],
}
DISTINCT = {
    "both or": [joined("c", OR, 0, 1), joined("d", OR, 1, 0)],
    "of one part": [joined("c", OR, 0, 0), joined("d", AND, 0, 0)],
    "of other parts": [joined("c", AND, 0, 1), joined("d", OR, 0, 2)],
}


def conditional(made: list[Callable[[cs.ConfigurationSpace], Any]]) -> cs.ConfigurationSpace:
    space = cs.ConfigurationSpace({"a": ["x", "y"], "b": ["u", "v"]}, seed=0)
    space.add(cs.UniformIntegerHyperparameter("n", 1, 3, default_value=2))
    space.add(*[cs.CategoricalHyperparameter(name, [0, 1, 2]) for name in "cdef"[: max(2, len(made))]])
    space.add(*[condition(space) for condition in made])
    return space


def shown(values: Mapping[str, Any]) -> str:
    return " ".join(f"{name}={values[name]}" for name in sorted(values))


def meant(space: cs.ConfigurationSpace) -> list[str]:
    """All configurations in which every hyperparameter is active as its own condition says."""
    found = []
    for values in every_assignment(space):
        given = {name: values.get(name, NotSet) for name in space}
        of = space.parent_conditions_of
        if all((name in values) is all(rule.satisfied_by_value(given) for rule in of[name]) for name in space):
            found.append(shown(values))
    return sorted(found)


@pytest.mark.parametrize("name", [*CONFUSED, *DISTINCT])
def test_and_and_or_over_the_same_parts_each_mean_what_they_say(name: str) -> None:
    space = conditional((CONFUSED | DISTINCT)[name])
    whole = meant(space)
    wrong = sum(shown(sampled) not in whole for sampled in space.sample_configuration(100))
    assert wrong == 0 or name in CONFUSED  # it is 0 for all of them where ConfigSpace tells them apart
    with pytest.warns(UserWarning) if wrong else contextlib.nullcontext() as warned:
        adapter = from_configspace(space)
    assert sorted(shown(adapter.configuration(one)) for one in adapter.space.enumerate()) == whole
    assert all(shown(sampled) in whole for sampled in adapter.source.sample_configuration(100))
    for sampled in adapter.source.sample_configuration(10):
        assert dict(adapter.configuration(adapter.config(sampled))) == dict(sampled)
    assert (adapter.source is space) is (wrong == 0)
    if warned is not None:
        pairs = r'those of "[cd]" and "[de]"(, "c" and "e")?; the space given'
        assert re.search(pairs, str(warned[0].message)) and warned[0].filename == __file__


def test_a_space_that_is_told_apart_keeps_its_name_and_what_it_forbids() -> None:
    space = conditional(CONFUSED["and before or"])
    space.name, space.meta = "mlp", {"from": "elsewhere"}
    space.add(
        cs.ForbiddenAndConjunction(cs.ForbiddenEqualsClause(space["d"], 1), cs.ForbiddenInClause(space["n"], [1, 3]))
    )
    with warnings.catch_warnings(action="ignore", category=UserWarning):
        adapter = from_configspace(space)
    assert (adapter.space.name, adapter.source.name, adapter.source.meta) == ("mlp", "mlp", {"from": "elsewhere"})
    valid = adapter.problem("t").valid
    assert valid is not None and valid({"a": "x", "b": "v", "n": 1, "d": 0})
    assert not valid({"a": "x", "b": "v", "n": 1, "d": 1})


def test_a_condition_on_a_range_cuts_it_where_it_changes() -> None:
    space = cs.ConfigurationSpace({"n": (0, 100), "more": [0, 1], "less": [0, 1], "equal": [0, 1]})
    space.add(cs.GreaterThanCondition(space["more"], space["n"], 10))
    space.add(cs.LessThanCondition(space["less"], space["n"], 20))
    space.add(cs.InCondition(space["equal"], space["n"], [50, 51]))
    adapter = from_configspace(space)
    bins = NumericDomain(0, 100, integer=True).actions
    assert bins == (3, 11, 19, 27, 35, 43, 51, 59, 67, 75, 83, 91, 99)
    # 8 to 15 is cut behind 10, 16 to 23 in front of 20, 48 to 55 around 50 and 51; 11 and 19 keep their names.
    assert adapter.space["n"].actions == (3, 9, 11, 19, 21, 27, 35, 43, 48, 50, 51, 53, 59, 67, 75, 83, 91, 99)
    assert adapter.space["equal"].when == In("n", (50, 51))
    for number in range(101):
        values = {"n": number}
        values |= {"more": 1} if number > 10 else {}
        values |= {"less": 1} if number < 20 else {}
        values |= {"equal": 1} if number in (50, 51) else {}
        assert legal(space, values)
        assert typed(dict(adapter.configuration(adapter.config(values)))).keys() == values.keys()


def test_without_rules_the_actions_are_the_bins_that_all_ranges_share() -> None:
    space = cs.ConfigurationSpace({"x": (0.0, 1.0), "n": (1, 8)})
    space.add(cs.UniformFloatHyperparameter("lr", 1e-5, 1e-1, log=True))
    space.add(cs.NormalIntegerHyperparameter("normal", 50, 10, 0, 100))
    space.add(cs.BetaFloatHyperparameter("beta", 2, 3, 0.0, 2.0))
    adapter = from_configspace(space)
    assert {choice.name: choice.actions for choice in adapter.space.choices} == {
        "x": NumericDomain(0.0, 1.0).actions,
        "n": NumericDomain(1, 8, integer=True).actions,
        "lr": NumericDomain(1e-5, 1e-1, log=True).actions,
        "normal": NumericDomain(0, 100, integer=True).actions,
        "beta": NumericDomain(0.0, 2.0).actions,
    }
    middles = adapter.configuration({"x": 0.03125, "n": 8, "lr": 0.001334, "normal": 51, "beta": 0.0625})
    assert dict(middles) == {"x": 0.03125, "n": 8, "lr": 0.001334, "normal": 51, "beta": 0.0625}


@pytest.mark.thorough
def test_a_number_that_no_rule_reads_stays_as_it_is() -> None:
    space = cs.ConfigurationSpace({"n": (0, 1_000), "on": [True, False]})
    space.add(cs.UniformFloatHyperparameter("lr", 1e-4, 1.0, log=True))
    space.add(cs.EqualsCondition(space["n"], space["on"], True))
    adapter = from_configspace(space)
    given = cs.Configuration(space, values={"lr": 0.0123456789012, "n": 137, "on": True})
    config = adapter.config(given)
    assert dict(given) == dict(adapter.configuration(config)) == dict(adapter.configuration(config, 7)) == config
    agent = Agent([adapter.problem("t")], seed=0)
    for _ in range(60):
        trial = agent.ask()
        got = adapter.configuration(trial.config)
        agent.tell(trial, -abs(np.log10(got["lr"]) + 2.345) - (abs(got["n"] - 137) / 1_000 if got["on"] else 1.0))
    best = agent.best()
    assert best is not None and best.reward > -0.02  # the middles of the parts come to -0.05


def test_a_rule_on_whole_numbers_leaves_all_of_them() -> None:
    space = cs.ConfigurationSpace({"x": (1, 40), "depth": (1, 30), "drop": [0, 1]})
    space.add(cs.ForbiddenEqualsClause(space["x"], 7), cs.GreaterThanCondition(space["drop"], space["depth"], 5))
    adapter = from_configspace(space)
    assert adapter.space["depth"].actions == tuple(range(1, 31))
    trials = RandomSearch([adapter.problem("t")], seed=0).ask(400)
    found = [adapter.configuration(trial.config) for trial in trials]
    assert {each["x"] for each in found} == {*range(1, 41)} - {7}
    assert {each["depth"] for each in found} == {*range(1, 31)}


def test_a_seed_draws_inside_the_part() -> None:
    space = cs.ConfigurationSpace({"n": (0, 159), "more": [0, 1], "less": [0, 1]})
    space.add(cs.UniformFloatHyperparameter("lr", 1e-4, 1.0, log=True))
    space.add(cs.GreaterThanCondition(space["more"], space["n"], 143))
    space.add(cs.GreaterThanCondition(space["less"], space["lr"], 0.1))
    adapter = from_configspace(space)
    config: Config = {"n": adapter.space["n"].actions[1], "lr": 0.001334}
    drawn = [dict(adapter.configuration(config, seed)) for seed in range(200)]
    assert {values["n"] for values in drawn} == set(range(16, 32))
    rates = [values["lr"] for values in drawn]
    assert 1e-3 <= min(rates) < 1.05e-3 and 1.7e-3 < max(rates) <= 10**-2.75
    assert dict(adapter.configuration(config, 3)) == drawn[3]
    assert dict(adapter.configuration({"lr": config["lr"], "n": config["n"]}, 3)) == drawn[3]


@pytest.mark.parametrize("relation", RELATIONS)
def test_relations_between_numbers_are_judged_on_whole_configurations(relation: Any) -> None:
    space = cs.ConfigurationSpace({"a": (1, 3), "b": (0, 200)}, seed=0)
    space.add(cs.UniformIntegerHyperparameter("c", 0, 200, default_value=150))
    left, right = ("c", "b") if relation is cs.ForbiddenLessThanRelation else ("b", "c")
    space.add(relation(space[left], space[right]))
    adapter = from_configspace(space)
    problem = adapter.problem("t")
    assert problem.valid is not None
    for sampled in space.sample_configuration(50):
        assert legal(space, dict(adapter.configuration(adapter.config(sampled))))
    refused = sum(not problem.valid(random_config(problem, np.random.default_rng(seed))) for seed in range(50))
    assert (refused == 0) if relation is cs.ForbiddenEqualsRelation else (10 < refused < 40)


@pytest.mark.parametrize(
    ("clause", "allowed"),
    [(cs.ForbiddenLessThanEqualsClause, range(21, 101)), (cs.ForbiddenGreaterThanEqualsClause, range(20))],
)
def test_a_clause_with_an_end_of_its_own_cuts_beside_it(clause: Any, allowed: range) -> None:
    space = cs.ConfigurationSpace()
    space.add(cs.UniformIntegerHyperparameter("n", 0, 100, default_value=allowed[0]))
    space.add(clause(space["n"], 20))
    adapter = from_configspace(space)
    valid = adapter.problem("t").valid
    assert valid is not None
    assert [number for number in range(101) if valid(adapter.config({"n": number}))] == list(allowed)


def test_a_forbidden_number_does_not_forbid_its_neighbours() -> None:
    space = cs.ConfigurationSpace({"x": (0.0, 1.0)})
    space.add(cs.ForbiddenEqualsClause(space["x"], 0.03125))  # which stands for the first sixteenth
    adapter = from_configspace(space)
    valid = adapter.problem("t").valid
    assert valid is not None
    assert [action for action in adapter.space["x"].actions if not valid({"x": action})] == [0.03125]
    assert dict(adapter.configuration(adapter.config({"x": 0.02}))) == {"x": 0.02}


@unchecked()
def test_values_of_every_type_go_in_and_out() -> None:
    space = cs.ConfigurationSpace(seed=0)
    space.add(
        cs.Constant("none", None),
        cs.Constant("pair", (1, 2)),
        cs.CategoricalHyperparameter("mixed", [None, "a", 1, 2.5]),
        cs.CategoricalHyperparameter("pairs", [(1, 2), (3, 4)]),
        cs.CategoricalHyperparameter("numpy", list(np.array([1, 2]))),
        cs.OrdinalHyperparameter("size", ["small", "medium", "large"]),
    )
    adapter = from_configspace(space, name="types")
    assert adapter.space.name == "types"
    assert adapter.space["size"].actions == ("small", "medium", "large")
    assert adapter.space["pairs"].actions == ("(1, 2)", "(3, 4)")
    for sampled in space.sample_configuration(20):
        out = dict(adapter.configuration(adapter.config(sampled)))
        assert out == dict(sampled)
        assert type(out["numpy"]) is int and type(out["size"]) is str


def test_what_is_never_active_is_no_choice() -> None:
    space = cs.ConfigurationSpace("mine", space={"n": (1, 3), "never": [0, 1], "below": [0, 1], "apart": [0, 1]})
    space.add(cs.GreaterThanCondition(space["never"], space["n"], 3))
    space.add(cs.EqualsCondition(space["below"], space["never"], 1))
    apart = cs.NotEqualsCondition(space["apart"], space["never"], 1)
    space.add(cs.OrConjunction(apart, cs.EqualsCondition(space["apart"], space["n"], 2)))
    adapter = from_configspace(space)
    assert (adapter.space.name, adapter.space.size) == ("mine", 6)
    assert {choice.name: choice.when for choice in adapter.space.choices} == {"n": None, "apart": None}
    assert legal(space, dict(adapter.configuration({"n": 3, "apart": 0})))


@pytest.mark.thorough
def test_the_agent_learns_from_old_configurations_and_ends_with_a_legal_best() -> None:
    space = cs.ConfigurationSpace({"layers": (1, 4), "units": (8, 64), "act": ["relu", "tanh"]}, seed=0)
    space.add(cs.UniformFloatHyperparameter("lr", 1e-4, 1e-1, log=True))
    space.add(cs.GreaterThanCondition(space["units"], space["layers"], 1))
    space.add(
        cs.ForbiddenAndConjunction(
            cs.ForbiddenEqualsClause(space["act"], "tanh"), cs.ForbiddenLessThanClause(space["lr"], 1e-3)
        )
    )

    def objective(configuration: cs.Configuration) -> float:
        assert isinstance(configuration, cs.Configuration)
        return configuration.get("units", 0) / 64 + configuration["lr"]

    adapter = from_configspace(space)
    problem = adapter.problem("digits", objective)
    assert problem.objective is not None
    agent = Agent([problem], FAST, seed=0)
    old = space.sample_configuration(10)
    agent.learn_from([(problem, adapter.config(configuration), objective(configuration)) for configuration in old])
    assert agent.provenance == (((adapter.space.name, "digits", 10)),)
    for _ in range(30):
        trial = agent.ask()
        agent.tell(trial, problem.objective(trial.config))
    best = agent.best()
    assert best is not None
    assert legal(space, dict(adapter.configuration(best.config)))
    assert best.reward >= max(map(objective, old))


def odd(name: str) -> Any:
    """A hyperparameter of a kind that is none of ConfigSpace's own."""
    known = cs.Constant(name, 1)
    fields = ("name", "default_value", "size", "meta")

    class Odd(cs.hyperparameters.Hyperparameter):
        ORDERABLE = False

        def __init__(self) -> None:
            super().__init__(
                **{field: getattr(known, field) for field in fields},
                transformer=known._transformer,
                vector_dist=known._vector_dist,
                neighborhood=known._neighborhood,
                neighborhood_size=0,
                value_cast=None,
            )

    return Odd()


def small() -> ConfigSpaceAdapter:
    space = cs.ConfigurationSpace({"n": (1, 3), "x": (0.0, 1.0), "k": ["a", "b"]})
    space.add(cs.EqualsCondition(space["x"], space["n"], 2), cs.ForbiddenEqualsClause(space["k"], "b"))
    return from_configspace(space)


def with_odd() -> cs.ConfigurationSpace:
    space = cs.ConfigurationSpace()
    space.add(odd("strange"))
    return space


@pytest.mark.parametrize(
    ("make", "kind", "text"),
    [
        (lambda: from_configspace({"x": (0, 1)}), TypeError, "takes a ConfigurationSpace, not {'x': (0, 1)}; write"),  # type: ignore[arg-type]
        (lambda: from_configspace(cs.ConfigurationSpace()), ValueError, "is empty; give it a hyperparameter"),
        (
            lambda: from_configspace(with_odd()),
            TypeError,
            'hyperparameter "strange" is a Odd, which cannot be searched',
        ),
        (lambda: from_configspace(small().source, ""), ValueError, "needs a name that is a non-empty string, not ''"),
        (lambda: small().problem(""), TypeError, "a task is named by a non-empty string, not ''"),
        (lambda: small().problem("t", 3), TypeError, "objective must be a function of a Configuration, not 3"),  # type: ignore[arg-type]
        (lambda: small().configuration({"n": 1}), ValueError, 'choice "k" of search space "configspace" is active'),
        (lambda: small().configuration({"n": 4, "k": "a"}), ValueError, 'choice "n" has no action 4'),
        (lambda: small().configuration({"n": 1, "k": "a"}, -1), ValueError, "seed must be a whole number"),
        (
            lambda: small().configuration({"n": 1, "k": "b"}),
            cs.ForbiddenValueError,
            "forbidden clause: Forbidden: k == 'b'",
        ),
        (lambda: small().config([1]), TypeError, "or a mapping from names to values, not [1]"),  # type: ignore[arg-type]
        (
            lambda: small().config({"n": 1, "k": "c"}),
            ValueError,
            "hyperparameter \"k\": 'c' is not one of the values ('a', 'b')",
        ),
        (
            lambda: small().config({"n": 9, "k": "a"}),
            ValueError,
            'hyperparameter "n": 9 is no whole number from 1 to 3',
        ),
        (lambda: small().config({"n": 1.5, "k": "a"}), ValueError, "1.5 is no whole number from 1 to 3"),
        (lambda: small().config({"n": 2, "x": "a", "k": "a"}), ValueError, "'a' is no number from 0.0 to 1.0"),
        (lambda: small().config({"n": 2, "x": float("nan"), "k": "a"}), ValueError, "nan is no number from 0.0 to 1.0"),
        (
            lambda: small().config({"n": 1, "x": 0.5, "k": "a"}),
            ValueError,
            'choice "x" of search space "configspace" is not',
        ),
        (
            lambda: small().config({"n": 1, "k": "a", "z": 1}),
            ValueError,
            'has no choice "z"; its choices are "k", "n", "x"',
        ),
    ],
)
@unchecked()
def test_errors_say_what_was_given_and_what_would_be_right(
    make: Callable[[], object], kind: type[Exception], text: str
) -> None:
    with pytest.raises(kind, match=re.escape(text)):
        make()


def test_a_condition_of_an_unknown_kind_is_an_error() -> None:
    space = cs.ConfigurationSpace({"n": (1, 3), "k": ["a", "b"], "m": [1, 2]})

    class Either(cs.conditions.Conjunction):
        pass

    parts = [cs.EqualsCondition(space["m"], space["n"], 1), cs.EqualsCondition(space["m"], space["k"], "a")]
    space.add(cs.OrConjunction(*parts))
    space.conditions[0].__class__ = Either
    with pytest.raises(TypeError, match="is a Either; a condition should be one of ConfigSpace's own"):
        from_configspace(space)


def test_without_configspace_the_error_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "ConfigSpace", None)
    monkeypatch.delitem(sys.modules, "transfernas.integrations.configspace")
    with pytest.raises(ModuleNotFoundError, match=re.escape("pip install '.[configspace]'")):
        importlib.import_module("transfernas.integrations.configspace")


@pytest.mark.thorough
def test_transfernas_alone_does_not_load_configspace() -> None:
    assert run("import sys, transfernas; print('ConfigSpace' in sys.modules)") == "False"


@pytest.mark.thorough
def test_the_page_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    names: dict[str, Any] = {"__name__": "__main__"}
    exec(compile("\n".join(python_blocks("docs/how-to/configspace.md")), "configspace.md", "exec"), names)
    assert legal(names["space"], dict(names["best"]))
    assert isinstance(names["problem"], Problem)
