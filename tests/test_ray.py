"""The agent as a search algorithm of Ray Tune's; the second half runs it on a local cluster."""

import copy
import dataclasses
import itertools
import json
import logging
import math
import os
import pickle
import re
import runpy
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from decimal import Decimal
from fractions import Fraction
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import jax
import numpy as np
import optuna
import pyarrow.fs  # type: ignore[import-untyped]
import pytest
import ray
from ray import tune
from ray.tune.schedulers import ASHAScheduler
from ray.tune.search import ConcurrencyLimiter, Repeater
from ray.tune.search.optuna import OptunaSearch
from ray.tune.utils import flatten_dict

from programs import python_blocks
from transfernas import Agent, CheckpointError, ProposalConfig, TrainingConfig
from transfernas.checkpoint.snapshot import Snapshot, read_snapshot, write_snapshot
from transfernas.define_by_run.declared import domains_from_json, domains_to_json
from transfernas.define_by_run.plans import Proposer
from transfernas.integrations.optuna import TransferSampler
from transfernas.integrations.ray import TransferSearch
from transfernas.integrations.ray_spaces import as_number, domains_of
from transfernas.spaces.domain import CategoricalDomain, Domain, NumericDomain

ROOT = Path(__file__).parents[1]
SPACE: dict[str, Any] = {
    "optimizer": {"name": tune.choice(["adam", "sgd"]), "lr": tune.loguniform(1e-5, 1e-1)},
    "depth": tune.randint(1, 9),
    "momentum": tune.uniform(0.0, 1.0),
    "data": {"name": "digits", "shape": [8, 8]},
}
Config = dict[str, Any]


def loss(config: Config) -> float:
    """Least at a learning rate of 0.003 and a depth of 6, with Adam."""
    optimizer = config["optimizer"]
    near = abs(math.log10(optimizer["lr"] / 0.003)) + abs(config["depth"] - 6) / 5 + config["momentum"] / 10
    return near + (optimizer["name"] == "sgd") / 2


def searching(seed: int = 0, mode: str = "min", space: Config = SPACE, **options: Any) -> TransferSearch:
    return TransferSearch(space, "loss", mode, seed=seed, **options)  # type: ignore[arg-type]


def run(search: TransferSearch, trials: int, first: int = 0, loss: Callable[[Config], float] = loss) -> list[float]:
    losses = []
    for number in range(first, first + trials):
        losses.append(loss(search.suggest(str(number)) or {}))
        search.on_trial_complete(str(number), {"loss": losses[-1]})
    return losses


def learned(search: TransferSearch) -> int:
    return search.agent.learner.learned


@pytest.mark.thorough
@pytest.mark.parametrize(
    "asked, domain",
    [
        (tune.choice(["a", 1, None, [2]]), CategoricalDomain(["a", 1, None, [2]])),
        (tune.uniform(0, 1), NumericDomain(0.0, 1.0)),
        (tune.quniform(0.2, 1, 0.1), NumericDomain(0.2, 1.0, step=0.1)),
        (tune.loguniform(1e-4, 1), NumericDomain(1e-4, 1.0, log=True)),
        (tune.qloguniform(0.5, 50, 0.5), NumericDomain(0.5, 50.0, log=True, step=0.5)),
        (tune.randint(1, 9), NumericDomain(1, 8, step=1, integer=True)),
        (tune.qrandint(3, 20, 4), NumericDomain(4, 20, step=4, integer=True)),
        (tune.qrandint(3, 20, 1), NumericDomain(3, 19, step=1, integer=True)),
        (tune.lograndint(1, 1000), NumericDomain(1, 999, log=True, step=1, integer=True)),
        (tune.qlograndint(1, 1000, 10), NumericDomain(10, 1000, log=True, step=10, integer=True)),
    ],
)
def test_every_range_of_rays_is_taken(asked: Any, domain: Domain) -> None:
    assert domains_of({"outer": {"inner": asked}, "constant": 3}) == {"outer/inner": domain}
    search = searching(space={"outer": {"inner": asked}}, config=TrainingConfig().with_changes({"rule.pair_steps": 1}))
    for number in range(30):
        config = search.suggest(str(number))
        assert config is not None
        value = config["outer"]["inner"]
        search.on_trial_complete(str(number), {"loss": 0.0})
        if isinstance(domain, CategoricalDomain):
            assert value in domain.values
        else:
            assert type(value) is (int if domain.integer else float) and domain.low <= value <= domain.high
            assert domain.step is None or ((value - domain.low) / domain.step) == pytest.approx(
                round((value - domain.low) / domain.step)
            )


def test_what_ray_itself_draws_is_in_the_range() -> None:
    for asked in (tune.qrandint(3, 20, 4), tune.qrandint(3, 9, 1), tune.randint(1, 9), tune.qlograndint(1, 1000, 10)):
        domain = domains_of({"n": asked})["n"]
        assert isinstance(domain, NumericDomain) and domain.step
        drawn = set(asked.sample(size=3000, random_state=0))
        assert domain.low <= min(drawn) and max(drawn) <= domain.high
        assert all((value - domain.low) % domain.step == 0 for value in drawn)
        if domain.high < 30:
            assert len(drawn) == (domain.high - domain.low) / domain.step + 1


def test_the_first_trial_of_the_next_search_is_the_best_one_of_the_last(tmp_path: Path) -> None:
    last = searching()
    configs = [last.suggest(str(number)) or {} for number in range(25)]
    losses = [loss(config) for config in configs]
    for number, value in enumerate(losses):
        last.on_trial_complete(str(number), {"loss": value})
    best = configs[int(np.argmin(losses))]
    space = SPACE | {"drop": tune.uniform(0.0, 0.9)}
    following = searching(1, space=space, agent=last.save_agent(tmp_path / "agent"), fill={"drop": 0.1})
    first = following.suggest("0") or {}
    assert 0.0 <= first.pop("drop") < 0.2  # the bin of 0.1
    assert first == best


@pytest.mark.parametrize(
    "space, message",
    [
        ({"x": tune.randn(1.0, 2.0)}, r"parameter 'x': a normal distribution has no ends.*use tune.uniform\(-5, 7\)"),
        ({"x": tune.qrandn(0.0, 1.0, 0.5)}, r"use tune.uniform\(-3, 3\)"),
        (
            {"x": tune.sample_from(lambda config: 1)},
            "parameter 'x': TransferSearch does not search Function.*in the trainable",
        ),
        ({"a": {"x": tune.grid_search([1, 2])}}, "tune.choice instead of tune.grid_search for a/x"),
        ({"x": [1, tune.uniform(0, 1)]}, r"not under \('x', 1\); for one in a list, give it a key of its own"),
        ({"a/b": tune.uniform(0, 1)}, "strings without '/'"),
        ({"x": tune.choice([])}, "parameter 'x': a categorical parameter needs at least one value"),
        ({"x": tune.uniform(2, 1)}, "parameter 'x': a range has finite ends in ascending order"),
        ({"<S>": tune.uniform(0, 1)}, "are the names of the start and terminal state"),
    ],
)
def test_what_can_not_be_searched_is_an_error(space: Config, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        TransferSearch(space)
    with pytest.raises(ValueError, match=message):
        TransferSearch().set_search_properties("loss", "min", space)


@pytest.mark.parametrize(
    "wrong, kind, message",
    [
        ({"mode": "best"}, ValueError, "mode must be"),
        ({"metric": ["a", "b"]}, ValueError, "searches for one result, so metric is a string"),
        ({"on_failure": "raise"}, ValueError, "on_failure must be"),
        ({"task": ""}, TypeError, "task is a non-empty string"),
        ({"space_name": None}, TypeError, "space_name is a non-empty string"),
        ({"agent": 3}, TypeError, "agent is an Agent"),
        ({"seed": -1}, ValueError, "seed must be"),
        ({"config": {"a": 1}}, TypeError, "config must be a TrainingConfig, such as .*, not {'a': 1}"),
    ],
)
def test_wrong_arguments_are_errors(wrong: dict[str, Any], kind: type[Exception], message: str) -> None:
    with pytest.raises(kind, match=message):
        TransferSearch(**wrong)


def test_a_search_without_values_says_what_is_missing() -> None:
    search = TransferSearch(SPACE, "loss", "min", seed=0)
    search.suggest("1")
    search.on_trial_complete("1", error=True)
    with pytest.raises(ValueError, match="no trial has a value yet; a finite number for 'loss' in the last result"):
        search.expected_best()
    without = TrainingConfig(proposal=ProposalConfig(surrogate=None))
    with pytest.raises(ValueError, match="no Gaussian process; .* proposal.surrogate=SurrogateConfig"):
        TransferSearch(SPACE, "loss", "min", seed=0, config=without).expected_best()


def test_ray_gives_the_space_later() -> None:
    search = TransferSearch(seed=0)
    with pytest.raises(ValueError, match="no agent before it has a space"):
        _ = search.agent
    with pytest.raises(RuntimeError, match="no search space has been defined"):
        search.suggest("1")
    with pytest.raises(RuntimeError, match="no search space has been defined"):
        search.on_trial_complete("1")
    with pytest.raises(RuntimeError, match="no search space has been defined"):
        search.save("search")
    assert search.set_search_properties(None, None, SPACE)
    with pytest.raises(RuntimeError, match=r"`metric` \(None\) or `mode` \(None\)"):
        search.suggest("1")
    assert search.set_search_properties("loss", "min", {"constant": 1})
    assert (search.metric, search.mode) == ("loss", "min")
    assert run(search, 3) == run(searching(), 3)
    assert search.set_search_properties("loss", "max", SPACE) and search.mode == "max"
    assert not search.set_search_properties("loss", "min", {"other": tune.uniform(0, 1)}) and search.mode == "max"
    anonymous = TransferSearch(SPACE, mode="max")
    assert anonymous.metric == "_metric"


def test_a_configuration_is_nested_and_whole_and_stays_while_it_is_open() -> None:
    search = searching()
    config = search.suggest("1")
    assert config is not None and set(config) == {"optimizer", "depth", "momentum"}
    assert set(config["optimizer"]) == {"name", "lr"}
    config["optimizer"]["lr"] = 100.0
    again = search.suggest("1")
    assert again is not None and again["optimizer"]["lr"] < 1
    search.on_trial_complete("1", {"loss": 1.0})
    assert search.suggest("1") != again


@pytest.mark.thorough
@pytest.mark.parametrize("mode", ["min", "max"])
def test_it_learns_in_either_direction(mode: str) -> None:
    sign = 1 if mode == "min" else -1
    search = searching(seed=1, mode=mode)
    losses = run(search, 60, loss=lambda config: sign * loss(config))
    assert np.mean(losses[20:]) * sign < np.mean(losses[:8]) * sign - 0.4
    assert min(value * sign for value in losses) < 0.1
    best = search.agent.best()
    assert best is not None and best.reward == pytest.approx(-min(value * sign for value in losses), rel=1e-5)


def test_it_searches_as_the_sampler_for_optuna_does() -> None:
    def objective(trial: optuna.Trial) -> float:
        name, lr = trial.suggest_categorical("name", ["adam", "sgd"]), trial.suggest_float("lr", 1e-5, 1e-1, log=True)
        depth, momentum = trial.suggest_int("depth", 1, 8), trial.suggest_float("momentum", 0.0, 1.0)
        return loss({"optimizer": {"name": name, "lr": lr}, "depth": depth, "momentum": momentum})

    study = optuna.create_study(sampler=TransferSampler(seed=3))
    study.optimize(objective, n_trials=20)
    assert run(searching(seed=3), 20) == [trial.value for trial in study.trials]


def test_points_come_first_and_may_leave_out_what_the_agent_chooses() -> None:
    whole = {"optimizer": {"name": "sgd", "lr": 0.01}, "depth": 3, "momentum": np.float32(0.5)}
    search = searching(points_to_evaluate=[whole, {"optimizer/lr": 1e-4, "depth": 2}])
    assert search.suggest("1") == whole
    second = search.suggest("2")
    assert second is not None and second["optimizer"]["lr"] == 1e-4 and second["depth"] == 2
    assert second["optimizer"]["name"] in ("adam", "sgd") and 0 <= second["momentum"] <= 1
    search.on_trial_complete("1", {"loss": 1.0})
    search.on_trial_complete("2", {"loss": 2.0})
    assert learned(search) == 2 and search.suggest("3") not in (whole, second)


@pytest.mark.parametrize(
    "point, message",
    [
        ({"optimizer": {"beta": 0.9}}, "'optimizer/beta' is no parameter of the space"),
        ({"depth": 9}, "parameter 'depth' is a whole number from 1 to 8, not 9"),
        ({"depth": "deep"}, "parameter 'depth' is a whole number from 1 to 8, not 'deep'"),
        ({"momentum": math.nan}, "parameter 'momentum' is a number from 0.0 to 1.0, not nan"),
        ({"momentum": True}, "parameter 'momentum' is a number from 0.0 to 1.0, not True"),
        ({"optimizer": {"name": "lamb"}}, "parameter 'optimizer/name': 'lamb' is not one of the values"),
    ],
)
def test_points_outside_the_space_are_errors(point: Config, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        searching(points_to_evaluate=[point])


@pytest.mark.parametrize(
    "domain, given, value",
    [
        (tune.choice([8, 16]), np.int64(16), 16),
        (tune.choice([8, 16]), np.float32(16), 16),
        (tune.choice([0.1, 0.2]), np.float32(0.1), 0.1),
        (tune.choice([1, True]), np.bool_(True), True),
        (tune.choice([True, 1]), np.int8(1), 1),
        (tune.choice([1, 1.0]), np.float64(1.0), 1.0),
        (tune.choice(["adam", "sgd"]), np.str_("sgd"), "sgd"),
        (tune.choice(list(np.arange(3))), 2, np.int64(2)),
        (tune.choice([2, 4]), np.array(4), 4),
        (tune.randint(1, 9), np.uint8(8), 8),
        (tune.randint(1, 9), np.float32(3.0), 3),
        (tune.randint(1, 9), np.array(5), 5),
        (tune.randint(1, 9), Fraction(6, 2), 3),
        (tune.qrandint(0, 20, 5), np.int16(15), 15),
        (tune.qrandint(0, 20, 5), 7, 7),
        (tune.uniform(0.7, 1.0), np.float32(0.7), 0.7),
        (tune.uniform(0.0, 0.1), np.float16(0.1), 0.0999755859375),
        (tune.uniform(0.0, 1e6), np.float16(100.0), 100.0),
        (tune.uniform(0, 1), np.int64(1), 1.0),
        (tune.uniform(0, 1), Decimal("0.5"), 0.5),
        (tune.quniform(0.0, 1.0, 0.1), np.float32(0.3), 0.30000000000000004),
        (tune.quniform(0.0, 1.0, 0.1), 0.55, 0.55),
        (tune.loguniform(1e-4, 1e-1), np.float32(1e-4), 1e-4),
    ],
)
def test_a_value_that_equals_one_of_the_range_counts_as_it(domain: Any, given: object, value: object) -> None:
    search = searching(space={"p": domain}, points_to_evaluate=[{"p": given}])
    suggested = search.suggest("1")
    assert suggested == {"p": value} and type(suggested["p"]) is type(value)
    search.add_evaluated_point({"p": given}, 1.0)
    assert learned(search) == 1


@pytest.mark.parametrize(
    "domain, given",
    [
        (tune.randint(1, 9), 3.7),
        (tune.randint(1, 9), np.float32(3.5)),
        (tune.randint(1, 9), np.bool_(True)),
        (tune.randint(1, 9), 10**400),
        (tune.uniform(0.0, 1e6), np.float16("inf")),
        (tune.uniform(0.0, 1.0), np.float64("nan")),
        (tune.uniform(0.0, 1.0), Decimal("sNaN")),
        (tune.uniform(0.0, 1.0), Fraction(10**400)),
        (tune.uniform(0.0, 1.0), np.str_("0.5")),
        (tune.uniform(0.0, 1.0), np.array([0.5])),
        (tune.choice([1, 2]), np.int64(3)),
        (tune.choice([0.1, 0.2]), np.float32(0.3)),
    ],
)
def test_a_value_that_equals_none_of_the_range_is_an_error(domain: Any, given: object) -> None:
    with pytest.raises(ValueError, match="parameter 'p'.*" + re.escape(repr(given))[:20]):
        searching(space={"p": domain}, points_to_evaluate=[{"p": given}])


INVALID: list[tuple[Config | None, bool]] = [
    ({"loss": math.nan}, False),
    ({"loss": None}, False),
    ({"other": 1.0}, False),
    ({}, False),
    (None, False),
    (None, True),
    ({"loss": 0.5}, True),
]


@pytest.mark.parametrize("result, error", INVALID)
def test_a_trial_without_a_number_failed(result: Config | None, error: bool) -> None:
    ignoring, punishing = searching(), searching(on_failure="worst")
    for search in (ignoring, punishing):
        search.suggest("1")
        search.on_trial_complete("1", result, error)
        run(search, 3, first=2)
    assert learned(ignoring) == 3 and learned(punishing) == 4
    worst = punishing.agent.top()[-1]
    assert worst.reward <= -1e14


@pytest.mark.parametrize("mode", ["min", "max"])
def test_an_infinite_result_is_as_good_or_bad_as_any(mode: str) -> None:
    search = searching(mode=mode)
    for number, value in enumerate((math.inf, -math.inf, 1.0, np.float32(2.0), np.array(3.0), np.array([4]).squeeze())):
        search.suggest(str(number))
        search.on_trial_complete(str(number), {"loss": value})
    rewards = [observation.reward for observation in search.agent.top()]
    sign = 1 if mode == "max" else -1
    assert rewards == sorted([math.inf, -math.inf, *(sign * np.arange(1.0, 5.0))], reverse=True)


def test_a_trial_counts_once_with_its_last_result(caplog: pytest.LogCaptureFixture) -> None:
    search = searching()
    search.suggest("1")
    search.on_trial_result("1", {"loss": 9.0, "training_iteration": 1})
    search.on_trial_result("1", {"training_iteration": 2})
    assert learned(search) == 0 and not caplog.messages
    search.on_trial_complete("1", {"loss": 1.0})
    search.on_trial_result("1", {"loss": 3.0})
    search.on_trial_complete("1", {"loss": 3.0})
    search.on_trial_complete("unknown", {"loss": 3.0})
    best = search.agent.best()
    assert learned(search) == 1 and best is not None and best.reward == -1.0
    assert caplog.messages == [
        f"trial {trial} is not learned from: it is not open in this search, and {why}"
        for trial, why in (("1", "was learned from before"), ("unknown", "its result holds no configuration"))
    ]


@pytest.mark.parametrize("flat", [True, False])
def test_a_trial_that_ray_runs_again_is_learned_from_by_its_configuration(
    flat: bool, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    def result(value: object, depth: int = 2) -> Config:
        config = {"optimizer": {"name": "sgd", "lr": 0.01}, "depth": depth, "momentum": 0.5, "data": {"name": "digits"}}
        return flatten_dict({"loss": value, "config": config}) if flat else {"loss": value, "config": config}

    search = searching(points_to_evaluate=[{"depth": 2}])
    search.suggest("failed")
    search.on_trial_complete("failed", error=True)
    search.on_trial_complete("failed", result(1.0))  # resumed under its name
    search.on_trial_complete("restarted", result(2.0, depth=3))
    search.save(str(tmp_path / "search"))
    restored = TransferSearch()
    restored.restore(str(tmp_path / "search"))
    for one in (search, restored):
        for trial in ("failed", "restarted"):
            one.on_trial_complete(trial, result(3.0))
        one.on_trial_complete("failed again", result(math.nan))
        one.on_trial_complete("error", result(3.0), error=True)
        one.on_trial_complete("of another space", result(3.0, depth=20))
        assert [(seen.reward, seen.config["depth"]) for seen in one.agent.top()] == [(-1.0, 2), (-2.0, 3)]
    assert [message.split("in this search, and ")[1] for message in caplog.messages] == [
        "was learned from before",
        "was learned from before",
        "has no number for 'loss'",
        "has no number for 'loss'",
        "parameter 'depth' is a whole number from 1 to 8, not 20",
    ] * 2
    assert search.suggest("next") == restored.suggest("next")


NUMBERS: list[tuple[object, float]] = [
    (10**400, math.inf),
    (-(10**400), -math.inf),
    (Fraction(10**400), math.inf),
    (Decimal("-1e400"), -math.inf),
    (Decimal("0.25"), 0.25),
    (True, 1.0),
    (np.bool_(False), 0.0),
    (np.int8(-3), -3.0),
    (np.float16(0.5), 0.5),
    (np.longdouble(0.125), 0.125),
    (np.array([[2.0]]), 2.0),
    (jax.numpy.array(4.0), 4.0),
    ("0.75", 0.75),
]
NO_NUMBERS = [
    *(None, math.nan, "high", "", 1j, [0.5], {"a": 0.5}, np.array([1.0, 2.0]), np.ma.masked, Decimal("sNaN"), object),
    *("nan", np.float32("nan"), jax.numpy.ones(2)),
]


@pytest.mark.parametrize("value, number", NUMBERS, ids=repr)
def test_a_result_counts_as_the_number_that_it_is(value: object, number: float) -> None:
    assert as_number(value) == number


@pytest.mark.parametrize("value", NO_NUMBERS, ids=repr)
def test_what_is_no_number_is_none(value: object) -> None:
    assert as_number(value) is None


def test_results_of_any_kind_are_learned_from_or_failed() -> None:
    search = searching(mode="max")
    for number, value in enumerate([value for value, _ in NUMBERS] + NO_NUMBERS):
        search.suggest(str(number))
        search.on_trial_complete(str(number), {"loss": value})
    assert learned(search) == len(NUMBERS)
    told = search.agent.learner.replay.scores.shown()[0, : len(NUMBERS)]
    assert [
        bool(reward == number if math.isfinite(number) else abs(reward) > 1e30 and reward * number > 0)
        for reward, (_, number) in zip(told, NUMBERS, strict=True)
    ] == [True] * len(NUMBERS)


def test_a_tensor_with_one_number_is_a_result() -> None:
    torch = pytest.importorskip("torch")
    for tensor in (torch.tensor(0.5), torch.tensor([0.5]), torch.tensor(0.5, requires_grad=True)):
        assert as_number(tensor) == 0.5
    assert as_number(torch.ones(2)) is None


@pytest.mark.parametrize("metric", ["loss", "val/loss", "val/top/1", "a//b"])
def test_the_metric_lies_in_the_result_nested_or_by_its_path(metric: str) -> None:
    whole: Config = {metric: 0.5}
    one: Config = {}
    inner = one
    *before, last = metric.split("/")
    for key in before:
        inner = inner.setdefault(key, {})
    inner[last] = 0.5
    head, _, rest = metric.partition("/")
    for result in (whole, one, {head: {rest: 0.5}} if rest else one):
        search = TransferSearch(SPACE, metric, "min", seed=0)
        search.suggest("1")
        search.on_trial_complete("1", result)
        assert search.agent.top()[0].reward == -0.5
    search.suggest("2")
    search.on_trial_complete("2", {"val": {"other": 0.5}, "a": 3})
    assert learned(search) == 1


def test_points_that_were_evaluated_elsewhere_are_learned_from() -> None:
    search = searching(on_failure="worst")
    point = {"optimizer": {"name": "adam", "lr": 0.003}, "depth": 6, "momentum": 0.0, "data": {"name": "digits"}}
    search.add_evaluated_point(point, 0.1, intermediate_values=[0.8, 0.9])
    search.add_evaluated_point({**point, "depth": 5}, 0.2, pruned=True)
    search.add_evaluated_point({**point, "depth": 4}, 0.3, error=True)
    assert [observation.reward for observation in search.agent.top()] == [-0.1, -0.2, -math.inf]
    best = search.agent.best()
    assert best is not None and best.config["depth"] == 6
    with pytest.raises(ValueError, match="lacks 'momentum'"):
        search.add_evaluated_point({"optimizer": {"name": "adam", "lr": 0.003}, "depth": 6}, 0.1)
    assert search.suggest("1")


def halfway(**options: Any) -> TransferSearch:
    """A search with trials that were told, that failed, and that are open, and a point to come."""
    search = searching(**options, points_to_evaluate=[{"depth": 1}, {"depth": 2}])
    run(search, 1)
    search.set_search_properties("loss", "min", SPACE)
    run(search, 25, first=1)
    for trial in ("failed", "open", "also open"):
        search.suggest(trial)
    search.on_trial_complete("failed", error=True)
    return search


def goes_on(search: TransferSearch) -> list[object]:
    """All that a search does next."""
    done: list[object] = [search.suggest("a")]
    search.on_trial_complete("open", {"loss": 0.25})
    done += [search.suggest("open"), search.suggest("also open"), search.suggest("b")]
    search.on_trial_complete("also open", error=True)
    search.on_trial_complete("a", {"loss": 0.5})
    return [*done, *run(search, 12, first=100), search.agent.best(), learned(search)]


@pytest.fixture(scope="module")
def agent() -> Agent:
    search = searching(space={**SPACE, "depth": tune.randint(1, 5), "momentum": 0.0})
    run(search, 30, loss=lambda config: loss({"momentum": 0.0, **config}))
    return search.agent


@pytest.mark.thorough
@pytest.mark.parametrize("start", ["scratch", "transfer", pytest.param("reinforce", marks=pytest.mark.slow)])
def test_a_restored_search_goes_on_as_it_would_have(start: str, agent: Agent, tmp_path: Path) -> None:
    options: dict[str, Any] = {"scratch": {}, "transfer": {"agent": agent, "fill": {"momentum": 0.0}}}.get(
        start, {"config": TrainingConfig.paper()}
    )
    search = halfway(**options, on_failure="worst", task="faces")
    search.save(str(tmp_path / "search"))
    search.save(str(tmp_path / "search"))
    assert [path.name for path in tmp_path.iterdir()] == ["search"]
    restored = TransferSearch()
    restored.restore(str(tmp_path / "search"))
    copied, pickled = copy.deepcopy(search), pickle.loads(pickle.dumps(search))
    expected = goes_on(search)
    assert goes_on(restored) == expected and goes_on(copied) == expected and goes_on(pickled) == expected
    assert (restored.metric, restored.mode) == ("loss", "min")
    assert restored.agent.provenance == search.agent.provenance


@pytest.mark.thorough
def test_a_search_is_restored_before_its_first_result(agent: Agent, tmp_path: Path) -> None:
    def open_search() -> TransferSearch:
        return searching(agent=agent, points_to_evaluate=[{"depth": 8}])

    search, restored = open_search(), open_search()
    suggested = search.suggest("1")
    search.save(str(tmp_path / "search"))
    restored.suggest("something else")
    restored.restore(str(tmp_path / "search"))
    assert restored.suggest("1") == suggested and run(restored, 5) == run(search, 5)
    assert restored.set_search_properties("loss", "min", SPACE)
    assert not restored.set_search_properties("loss", "min", {"x": tune.uniform(0, 1)})


def test_the_file_of_a_search_is_an_agents(tmp_path: Path) -> None:
    search = halfway()
    search.save(str(tmp_path / "search"))
    loaded = Agent.load(tmp_path / "search")
    assert loaded.provenance == search.agent.provenance == (("ray", "search 1", 26),)
    assert TransferSearch(agent=tmp_path / "search").agent.provenance == loaded.provenance
    loaded.save(tmp_path / "agent")
    with pytest.raises(CheckpointError, match="holds an agent, but no search; start from it, as in agent="):
        TransferSearch().restore(str(tmp_path / "agent"))
    content = bytearray((tmp_path / "search").read_bytes())
    content[-1] ^= 1
    (tmp_path / "damaged").write_bytes(content)
    with pytest.raises(CheckpointError, match="is damaged"):
        TransferSearch().restore(str(tmp_path / "damaged"))
    with pytest.raises(ValueError, match="has another space than this one"):
        searching(space={"x": tune.uniform(0, 1)}).restore(str(tmp_path / "search"))


def test_values_that_no_file_can_hold_are_given_again(tmp_path: Path) -> None:
    space = {"layers": tune.choice([[32], [32, 64]]), "activation": tune.choice([math.tanh, abs])}

    def cost(config: Config) -> float:
        return len(config["layers"]) + float(config["activation"](-2.0))

    search = searching(space=space)
    run(search, 2, loss=cost)
    suggested = search.suggest("open")
    search.save(str(tmp_path / "search"))
    with pytest.raises(ValueError, match="cannot hold the values of parameter 'activation'.*give the space again"):
        TransferSearch().restore(str(tmp_path / "search"))
    restored = TransferSearch(space)
    restored.restore(str(tmp_path / "search"))
    assert restored.suggest("open") == suggested and run(restored, 2, 2, cost) == run(search, 2, 2, cost)


def test_values_that_json_can_hold_are_restored_with_their_types(tmp_path: Path) -> None:
    values = [
        *([32], [32, (64, None)], (), {"kernel": [3, 3], "bias": True}, {}, None, True, "32", 1, 1.0),
        *(math.inf, -math.inf, math.nan, np.int64(3), np.float32(0.1), np.bool_(False), np.str_("a")),
    ]
    search = searching(space={"value": tune.choice(values)})
    before = [search.suggest(str(number)) for number in range(5)]
    search.save(str(tmp_path / "search"))
    restored = TransferSearch()
    restored.restore(str(tmp_path / "search"))
    assert [repr(restored.suggest(str(number))) for number in range(5)] == [repr(config) for config in before]
    found = [search.suggest(str(number)) for number in range(5, 25)]
    assert [repr(restored.suggest(str(number))) for number in range(5, 25)] == [repr(config) for config in found]
    assert restored.set_search_properties("loss", "min", {"value": tune.choice(values)})
    domain = domains_from_json(json.loads(json.dumps(domains_to_json(domains_of({"value": tune.choice(values)})))))
    held = domain["value"]
    assert isinstance(held, CategoricalDomain) and repr(held.values) == repr(tuple(values))
    for value in ({1: 2}, b"a", {1, 2}, range(3), 1j, np.ones(2), tune.choice([1])):
        with pytest.raises(ValueError, match="cannot hold the values of parameter 'value'"):
            domains_from_json(domains_to_json({"value": CategoricalDomain([1, value])}))


@pytest.mark.thorough
def test_a_search_that_cannot_be_restored_stays_as_it_was(tmp_path: Path, agent: Agent) -> None:
    def changed(**notes: object) -> Path:
        snapshot = read_snapshot(tmp_path / "search")
        path = tmp_path / "changed"
        write_snapshot(path, dataclasses.replace(snapshot, notes={**snapshot.notes, **notes}))
        return path

    search = halfway()
    search.save(str(tmp_path / "search"))
    expected = goes_on(copy.deepcopy(search))
    wrong: Config
    for wrong in ({"names": None}, {"names": ["ray"]}, {"counted": 3}, {"open": 3}, {"search": {}}, {"domains": 3}):
        with pytest.raises(CheckpointError, match="cannot be read|cannot be read"):
            TransferSearch().restore(str(changed(**wrong)))
        with pytest.raises((CheckpointError, ValueError)):
            search.restore(str(changed(**wrong)))
    assert goes_on(search) == expected


def each(name: str, *wrong: Any) -> list[Config]:
    return [{name: one} for one in wrong]


WRONG_NOTES = [
    *each("names", ["ray", None], ["ray", ""], [0.5, "task"]),
    *each("metric", "", 3, ["loss"]),
    *each("mode", "up", "", 1),
    *each("seed", None, -1, math.nan, "1", True),
    *each("on_failure", "worse", None),
    *each("counted", [1.5, "1"], [None]),
    *each("proposers", 3, [["1", "policy"]], {"1": "policy"}, {"1": ["", None]}, {"1": ["policy", 2.0]}),
    *each("domains", {}, {"x": {"range": [0.0, 1.0, math.nan, None, False]}}, {"x": {"actions": 3}}),
]
WRONG_SEARCHES = [
    *each("evidence", None, 3, "x", [3]),
    *each("discovery", None, [1], ["1", "2"], [0.5, 1]),
    *each("rewards", None, [None], ["1"]),
    *each("best", None, [3], [[[7, 1.0], {}, {}]], [[[0, "x"], {}, {}]], [[[0, 1.0], {"x": 1.0}, {"y": 1.0}]]),
    *each("best", *([[[0, 1.0], {"x": 0.5}, {"x": wrong}]] for wrong in (None, math.inf, 10**400))),
    *each("plans", None, [["1", 0, {}, {}, {}]], [["1", "0", 0, {}, {}]]),
    *each("surrogate", None, {}, {"trials": []}),
]


@pytest.fixture(scope="module")
def saved(tmp_path_factory: pytest.TempPathFactory) -> Snapshot:
    path = tmp_path_factory.mktemp("saved") / "search"
    halfway().save(str(path))
    return read_snapshot(path)


@pytest.mark.parametrize("wrong", [*WRONG_NOTES, *each("search", *WRONG_SEARCHES)], ids=repr)
def test_what_the_notes_of_a_file_say_is_checked_when_it_is_read(
    saved: Snapshot, wrong: Config, tmp_path: Path
) -> None:
    notes = {**saved.notes, **wrong}
    if "search" in wrong:
        notes["search"] = {**saved.notes["search"], **wrong["search"]}
    write_snapshot(tmp_path / "search", dataclasses.replace(saved, notes=notes))
    with pytest.raises(CheckpointError):
        TransferSearch().restore(str(tmp_path / "search"))


@pytest.mark.thorough
def test_a_search_that_ray_could_not_restore_does_not_begin_anew(tmp_path: Path) -> None:
    search = searching()
    halfway().save_to_dir(str(tmp_path), "session")
    (file,) = tmp_path.iterdir()
    content = file.read_bytes()
    for broken, message in ((b"{}", "searcher-state-session"), (None, "unable to find checkpoint")):
        file.unlink()
        if broken is not None:
            file.write_bytes(broken)
        with pytest.raises(Exception, match=message):
            search.restore_from_dir(str(tmp_path))  # Ray logs it, and goes on
        with pytest.raises(RuntimeError, match=f"was not restored, so it proposes nothing(?s:.*){message}"):
            search.suggest("1")
        with pytest.raises(RuntimeError, match="was not restored"):
            search.save(str(tmp_path / "lost"))
        file.write_bytes(content)
    search.restore_from_dir(str(tmp_path))
    assert goes_on(search) == goes_on(halfway())


def test_save_and_restore_as_ray_tests_it(tmp_path: Path) -> None:
    space, result = {"a": tune.uniform(0.0, 5.0)}, {"training_iteration": 1, "metric": 1, "config/a": 1.0}
    search = TransferSearch()
    search.set_search_properties(metric="metric", mode="max", config=space)
    for trial in ("1", "2", "not completed"):
        search.suggest(trial)
    search.on_trial_complete("1", result)
    search.save_to_dir(str(tmp_path), "session")
    assert [path.name for path in tmp_path.iterdir()] == ["searcher-state-session.safetensors.json"]
    restored = TransferSearch()
    restored.restore_from_dir(str(tmp_path))
    restored.on_trial_result("2", result)
    restored.on_trial_complete("2", result)
    restored.suggest("3")
    restored.on_trial_complete("3", result)
    assert learned(restored) == 3
    restored.on_trial_complete("not completed", result)
    assert learned(restored) == 4


@pytest.mark.thorough
def test_the_next_search_is_ahead_from_its_first_trials(tmp_path: Path) -> None:
    wider = {**SPACE, "depth": tune.randint(1, 17), "dropout": tune.uniform(0.0, 0.5)}
    ahead = []
    for seed in range(5):
        search = searching(seed)
        run(search, 60)
        path = search.save_agent(tmp_path / "agent.safetensors")
        following = searching(seed, space=wider, agent=path, fill={"dropout": 0.0})
        report = following.agent.transfer_report
        assert report is not None and "1 new: dropout" in str(report) and "1 new: search 2" in str(report)
        ahead.append(np.mean(run(searching(seed, space=wider), 10)) - np.mean(run(following, 10)))
        assert following.agent.provenance == (("ray", "search 1", 60), ("ray", "search 2", 10))
    assert min(ahead) > 0 and np.mean(ahead) > 0.8


def test_what_was_best_before_is_remembered_with_what_new_parameters_were(agent: Agent) -> None:
    def remembered(fill: Config | None) -> list[object]:
        learner = searching(space={**SPACE, "dropout": tune.uniform(0.0, 0.5)}, agent=agent, fill=fill).agent.learner
        warm_start = learner.warm_start
        assert warm_start is not None
        trials = [
            jax.tree.map(lambda leaf, at=at: leaf[0, 0, at], warm_start.trials) for at in range(warm_start.count[0, 0])
        ]
        return [learner.encoding.config(0, trial)["dropout"] for trial in trials]

    lowest, middle = NumericDomain(0.0, 0.5).action(0.0), NumericDomain(0.0, 0.5).action(0.25)
    assert set(remembered(None)) == {middle}
    assert set(remembered({"dropout": 0.0})) == {lowest} and set(remembered({"dropout": 0.01})) == {lowest}


@pytest.mark.parametrize(
    "options, message",
    [
        ({"rename": {"optimizer/name": "methd"}}, "rename: 'methd' is no parameter of the space, which has"),
        ({"rename": {"optimiser": "depth"}}, "rename: 'optimiser' is no parameter that the agent knows"),
        ({"rename": {"optimizer/lr": "depth"}}, "rename: the agent knows 'depth' already, so 'optimizer/lr' cannot"),
        ({"rename": ["momentum"]}, r"rename is a mapping from old names to new names, as in .*, not \['momentum'\]"),
        ({"fill": "momentum"}, "fill is a mapping from names to values, as in .*, not 'momentum'"),
        ({"fill": {"dropuot": 0.0}}, "'dropuot' is no parameter of the space"),
        ({"fill": {"momentum": 2.0}}, "parameter 'momentum' is a number from 0.0 to 1.0"),
    ],
)
def test_what_is_renamed_or_filled_must_be_there(options: dict[str, Any], message: str, agent: Agent) -> None:
    with pytest.raises((TypeError, ValueError), match=message):
        searching(agent=agent, **options)


def test_a_rename_or_a_fill_that_is_not_used_is_told(agent: Agent, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING, "ray.tune.transfernas"):
        run(searching(rename={"typo": "depth"}), 2)
        run(searching(agent=agent, fill={"depth": 3}), 2)
        run(searching(agent=agent), 2)
    alone, filled = caplog.messages
    assert "starts from no agent, so that rename is not used" in alone
    assert "; fill is not used for depth: all earlier configurations have" in filled


def test_a_known_task_in_the_other_mode_is_told(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    first = searching(mode="max", task="one")
    run(first, 2)
    path = first.save_agent(tmp_path / "agent.safetensors")
    first.save(str(tmp_path / "search"))
    for file in (path, tmp_path / "search"):
        assert Agent.load(file).processed.directions == {"one": "maximize"}
    restored = TransferSearch()
    restored.restore(str(tmp_path / "search"))
    assert restored.agent.processed.directions == {"one": "maximize"}
    told = dict[tuple[str, str], int]()
    with caplog.at_level(logging.INFO, "ray.tune.transfernas"):
        for mode, task in (("max", "one"), ("min", "two"), ("min", "one")):
            caplog.clear()
            run(searching(mode=mode, task=task, agent=path), 2)
            told[mode, task] = sum("Task 'one' is to be minimized, and" in text for text in caplog.messages)
    assert told == {("max", "one"): 0, ("min", "two"): 0, ("min", "one"): 1}


def test_a_callback_adds_the_proposer_to_the_results_of_a_trial(agent: Agent) -> None:
    search = searching(agent=agent, fill={"momentum": 0.0})
    callback = search.callback()
    run(search, 4)
    reported = {"loss": 0.5, "config": {"depth": 3}}
    for trial in (*map(str, range(4)), "unknown"):
        result = dict(reported)
        callback.on_trial_result(0, [], SimpleNamespace(trial_id=trial), result)
        name, trust = search.proposers.get(trial, (None, None))
        assert result == reported | {"transfernas/proposer": name, "transfernas/trust": trust}
    assert any(trust is not None for _, trust in search.proposers.values())


def test_what_was_called_otherwise_is_known_and_a_task_goes_on(agent: Agent) -> None:
    space = {"method": tune.choice(["adam", "sgd"]), "depth": tune.randint(1, 9)}
    renamed = searching(space=space, agent=agent, rename={"optimizer/name": "method"}).agent.transfer_report
    assert renamed is not None and "2 known" in str(renamed)
    same = searching(space=SPACE, agent=agent, task="search 1")
    assert learned(same) == 30 and run(same, 2) and same.agent.provenance == (("ray", "search 1", 32),)


def test_threads_may_share_a_search() -> None:
    search = searching()

    def one(number: int) -> Config | None:
        config = search.suggest(str(number))
        search.on_trial_complete(str(number), {"loss": loss(config or {})})
        return config

    with ThreadPoolExecutor(4) as pool:
        configs = list(pool.map(one, range(40)))
    assert learned(search) == 40 and len({str(config) for config in configs}) == 40


@pytest.mark.thorough
def test_a_search_is_copied_while_threads_use_it() -> None:
    search, done = searching(), threading.Event()

    def use(thread: int) -> None:
        for number in itertools.count():
            if done.is_set():
                return
            search.suggest(f"{thread} {number}")
            if number % 2:
                search.on_trial_complete(f"{thread} {number}", {"loss": 0.5})

    before = sys.getswitchinterval()
    sys.setswitchinterval(1e-5)
    try:
        with ThreadPoolExecutor(2) as pool:
            threads = [pool.submit(use, thread) for thread in range(2)]
            try:
                copies = [copy.deepcopy(search) for _ in range(15)]
                copies += [pickle.loads(pickle.dumps(search)) for _ in range(15)]
            finally:
                done.set()
            for thread in threads:
                thread.result()
    finally:
        sys.setswitchinterval(before)
    counts = [learned(one) for one in copies]
    assert counts == sorted(counts) and counts[-1] > 0
    for one in copies[::10]:
        again = copy.deepcopy(one)
        assert run(one, 2) == run(again, 2)


def test_rays_limiter_bounds_what_is_open() -> None:
    search = searching()
    limited = ConcurrencyLimiter(search, max_concurrent=2)
    assert limited.suggest("1") and limited.suggest("2") and limited.suggest("3") is None
    limited.on_trial_complete("1", {"loss": 1.0})
    assert limited.suggest("3") and learned(search) == 1


@pytest.mark.thorough
def test_only_this_module_needs_ray() -> None:
    code = (
        "import sys; sys.modules['ray'] = None\nimport transfernas\n"
        "try:\n    import transfernas.integrations.ray\nexcept ModuleNotFoundError as error:\n    print(error)"
    )
    shown = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert "pip install '.[ray]'" in shown


@pytest.fixture(autouse=True)
def signals() -> Iterator[None]:
    """Gives back the signals that Ray Tune takes for good."""
    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM, signal.SIGUSR1)}
    yield
    for number, handler in before.items():
        signal.signal(number, handler)


@pytest.fixture(scope="module")
def cluster() -> Iterator[dict[str, str]]:
    """Where the cluster is."""
    context = ray.init(num_cpus=2, include_dashboard=False, log_to_driver=False, logging_level=logging.ERROR)
    yield context.address_info  # type: ignore[attr-defined]
    ray.shutdown()


def tuner(trainable: Any, search: Any, path: Path, trials: int = 20, **given: Any) -> tune.Tuner:
    given = {"metric": "loss", "mode": "min", "max_concurrent_trials": 2, "reuse_actors": True, **given}
    return tune.Tuner(
        trainable,
        param_space=given.pop("param_space", None),
        tune_config=tune.TuneConfig(search_alg=search, num_samples=trials, **given),
        run_config=tune.RunConfig(name="test", storage_path=str(path), verbose=0),
    )


def metrics_of(results: tune.ResultGrid) -> list[dict[str, Any]]:
    """The last results of the trials that had one, in their order."""
    found = [results[number] for number in range(len(results))]
    return [result.metrics for result in found if result.metrics and not result.error]


def proposers_in(results: tune.ResultGrid) -> dict[str, Proposer | None]:
    """The proposers in the data frame of results, by trial."""
    columns = results.get_dataframe()[["trial_id", "transfernas/proposer", "transfernas/trust"]].astype(object)
    rows = columns.where(columns.notna(), None).itertuples(index=False)
    return {trial: None if name is None else Proposer(name, trust) for trial, name, trust in rows}


# What workers run is defined inside tests: Ray sends it whole then, and no worker imports this module, nor JAX.


def on_cluster(test: Callable[..., None]) -> Callable[..., None]:
    """Marks a test that starts Ray. It forks to start its processes, which run another program at once."""
    for mark in (
        pytest.mark.slow,
        pytest.mark.usefixtures("cluster"),
        pytest.mark.filterwarnings(r"ignore:os\.fork\(\) was called:RuntimeWarning"),
        pytest.mark.filterwarnings("ignore:Define-by-run function passed:UserWarning"),  # after a second, by the clock
        pytest.mark.filterwarnings(r"ignore:This process .* is multi-threaded, use of fork:DeprecationWarning"),
    ):
        test = mark(test)
    return test


@on_cluster
@pytest.mark.parametrize("mode", ["min", "max"])
def test_a_search_on_a_cluster(mode: str, tmp_path: Path) -> None:
    sign = 1 if mode == "min" else -1

    def train(config: Config) -> Config:
        import sys

        assert "jax" not in sys.modules and config["data"] == {"name": "digits", "shape": [8, 8]}
        return {"loss": sign * abs(config["depth"] - 6), "done": True}

    search = TransferSearch(seed=0)
    results = tuner(train, search, tmp_path, param_space=SPACE, mode=mode).fit()
    assert not results.errors and learned(search) == 20
    losses = [sign * metrics["loss"] for metrics in metrics_of(results)]
    assert np.mean(losses[10:]) < np.mean(losses[:10])
    best = search.agent.best()
    assert best is not None and -best.reward == min(losses)
    restored = TransferSearch()
    restored.restore_from_dir(str(tmp_path / "test"))
    assert learned(restored) == 20 and restored.suggest("next") == search.suggest("next")


@on_cluster
def test_invalid_values_and_errors_on_a_cluster(tmp_path: Path) -> None:
    def train(config: Config) -> Config:
        report = config["report"]
        if report > 5:
            raise RuntimeError("too large")
        bad = float("inf") if report > 4 else -float("inf") if report > 3 else float("nan")
        assert config["list"] == [1, 2, 3] and config["num"] == 4
        return {"loss": bad if report > 2 else report or 0.1}

    space = {"report": tune.uniform(0.0, 6.0), "list": [1, 2, 3], "num": 4}
    points = [{"report": value} for value in (0.5, 2.5, 3.5, 4.5, 5.5)]
    inner = TransferSearch(seed=0, points_to_evaluate=points)
    search = ConcurrencyLimiter(inner, max_concurrent=2)
    results = tuner(train, search, tmp_path, 12, mode="max", param_space=space, max_concurrent_trials=None).fit()
    best = results.get_best_result(filter_nan_and_inf=True).config
    assert results.num_errors >= 1 and best and best["report"] <= 2
    numbers = sum(not math.isnan(metrics["loss"]) for metrics in metrics_of(results))
    assert learned(inner) == numbers < 12


@on_cluster
def test_an_experiment_goes_on_and_its_trials_teach_another_search(tmp_path: Path) -> None:
    works = tmp_path / "works"

    def train(config: Config) -> Config:
        if config["report"] > 3 and not works.exists():
            raise RuntimeError("not yet")
        return {"loss": config["report"]}

    space = {"report": tune.uniform(0.0, 5.0)}
    points = [{"report": value} for value in (4.0, 1.0)]
    search = TransferSearch(seed=0, points_to_evaluate=points, key=lambda config: config["report"])
    first = tuner(train, search, tmp_path, 6, param_space=space).fit()
    assert 1 <= first.num_errors < 6 and learned(search) == 6 - first.num_errors
    works.touch()
    again = tune.Tuner.restore(str(tmp_path / "test"), train, restart_errored=True, param_space=space).fit()
    assert not again.errors and len(again) == 6
    restored = TransferSearch(key=str)
    restored.restore_from_dir(again.experiment_path)
    assert restored.proposers == search.proposers and len(search.proposers) == 6 - len(points)
    # A trial that Ray runs again has another name.
    assert set(search.proposers) & set(again.get_dataframe()["trial_id"])
    other = TransferSearch(space, "loss", "min", seed=1)
    other.add_evaluated_trials(again._experiment_analysis, "loss")
    assert learned(other) == 6 and other.suggest("1")


def asked(trial: optuna.Trial) -> None:
    """A space that is asked for; `OptunaSearch` pickles it, so it is no local function."""
    if trial.suggest_categorical("name", ["adam", "sgd"]) == "sgd":
        trial.suggest_float("momentum", 0.0, 1.0)
    trial.suggest_int("depth", 1, 8)


@on_cluster
def test_optuna_search_with_the_sampler_of_transfernas(tmp_path: Path, agent: Agent) -> None:
    def train(config: Config) -> Config:
        return {"loss": abs(config["depth"] - 6) + config.get("momentum", 0.0)}

    sampler = TransferSampler(agent, seed=0)
    search = OptunaSearch(space=asked, sampler=sampler, metric="loss", mode="min")
    results = tuner(train, search, tmp_path, metric=None, mode=None).fit()
    assert not results.errors and len(results) == 20
    assert sampler.agent.provenance == (("ray", "search 1", 30), ("optuna", "optuna", 20))
    losses = [metrics["loss"] for metrics in metrics_of(results)]
    assert np.mean(losses[10:]) < np.mean(losses[:10])


class Interrupt(tune.Callback):
    """Sends its process a signal, once, when a trial begins after some are complete."""

    def __init__(self, number: int, after: int, sent: Path) -> None:
        self.number, self.after, self.sent = number, after, sent

    def on_trial_start(self, iteration: int, trials: list[Any], trial: Any, **info: Any) -> None:
        if not self.sent.exists() and sum(each.is_finished() for each in trials) >= self.after:
            trial.storage.syncer.wait()
            time.sleep(1)  # nothing is being copied to the storage by then, so the state there is whole
            self.sent.touch()
            os.kill(os.getpid(), self.number)


INTERRUPTED = 6  # trials of an experiment that is interrupted after 3
WIDE: Config = {"optimizer": {"lr": tune.loguniform(1e-5, 1e-1)}, "layers": tune.choice([[8], [8, 16]]), "constant": 7}
Interrupted = tuple[str, int, str]  # what is wrapped around the search, the signal, where the files are
KINDS: list[Interrupted] = [
    ("ASHA", signal.SIGINT, "folder"),
    ("Repeater", signal.SIGKILL, "filesystem"),
    ("OptunaSearch", signal.SIGKILL, "uri"),
]


def place(where: str, folder: Path) -> tuple[str, Any, Path]:
    """The path of a storage, its file system, and where its files are in truth."""
    match where:
        case "folder":
            return str(folder / "runs"), None, folder / "runs"
        case "uri":
            return f"file://{folder / 'elsewhere'}", None, folder / "elsewhere"
    (folder / "mounted").mkdir(exist_ok=True)
    mounted = pyarrow.fs.SubTreeFileSystem(str(folder / "mounted"), pyarrow.fs.LocalFileSystem())
    return "bucket", mounted, folder / "mounted" / "bucket"


def searched(kind: str) -> Any:
    if kind == "OptunaSearch":
        return OptunaSearch(space=asked, sampler=TransferSampler(seed=0), metric="loss", mode="min")
    search = TransferSearch(seed=0)
    return ConcurrencyLimiter(Repeater(search, repeat=2) if kind == "Repeater" else search, max_concurrent=1)


def innermost(search: Any) -> Any:
    """The search inside of Ray's wrappers."""
    return innermost(search.searcher) if hasattr(search, "searcher") else search


def trainable() -> Callable[[Config], None]:
    def train(config: Config) -> None:
        from ray import tune

        near = config["depth"] if "depth" in config else config["optimizer"]["lr"] + len(config["layers"])
        for step in range(1, 4):
            tune.report({"loss": near + 1 / step})

    return train


def begin(kind: Interrupted, folder: Path, address: str) -> None:
    """Begins an experiment in this process, which will not live to its end."""
    name, number, where = kind
    ray.init(address, log_to_driver=False, logging_level=logging.ERROR)
    path, filesystem, _ = place(where, folder)
    optuna_search = name == "OptunaSearch"
    schedule = {"metric": "loss", "mode": "min"} if optuna_search else {}
    search = searched(name)
    callbacks = [Interrupt(number, 3, folder / "sent"), *([] if optuna_search else [innermost(search).callback()])]
    tune.Tuner(
        trainable(),
        param_space=None if optuna_search else WIDE,
        tune_config=tune.TuneConfig(
            metric=None if optuna_search else "loss",
            mode=None if optuna_search else "min",
            search_alg=search,
            num_samples=INTERRUPTED,
            max_concurrent_trials=1 if optuna_search else None,
            scheduler=None if name == "Repeater" else ASHAScheduler(max_t=3, reduction_factor=2, **schedule),  # type: ignore[arg-type]
        ),
        run_config=tune.RunConfig(
            name="test",
            storage_path=path,
            storage_filesystem=filesystem,
            verbose=0,
            callbacks=callbacks,
        ),
    ).fit()


def as_tuple(results: tune.ResultGrid) -> list[tuple[Config, float]]:
    """The configurations of trials and their last results, as they were proposed."""
    found = [results[at] for at in range(len(results))]
    numbers = [int(Path(result.path).name.split("_")[2]) for result in found]
    assert all(result.metrics and result.config for result in found)
    made = [(result.config or {}, (result.metrics or {})["loss"]) for result in found]
    return [made[at] for at in np.argsort(numbers)]


def would_have(kind: str, losses: list[float]) -> tuple[list[Config], Any]:
    """What a search proposes that nothing interrupts, and the search; trials have these losses."""
    if kind == "OptunaSearch":
        search = searched(kind)
        inner = search
    else:
        inner = TransferSearch(WIDE, "loss", "min", seed=0)
        search = Repeater(inner, repeat=2) if kind == "Repeater" else inner
    configs = []
    for trial, loss in enumerate(losses):
        configs.append(search.suggest(str(trial)))
        search.on_trial_complete(str(trial), {"loss": loss})
    return configs, inner


@on_cluster
@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind[0])
def test_an_experiment_goes_on_in_another_process(kind: Interrupted, tmp_path: Path, cluster: dict[str, str]) -> None:
    name, number, where = kind
    code = (
        "import sys, pathlib, test_ray as t; t.begin(t.KINDS[int(sys.argv[1])], pathlib.Path(sys.argv[2]), sys.argv[3])"
    )
    started = subprocess.run(
        [sys.executable, "-c", code, str(KINDS.index(kind)), str(tmp_path), cluster["gcs_address"]],
        cwd=Path(__file__).parent,
        env={**os.environ, "TUNE_GLOBAL_CHECKPOINT_S": "0"},
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert started.returncode == (-signal.SIGKILL if number == signal.SIGKILL else 0), started.stderr
    assert (tmp_path / "sent").exists()
    path, filesystem, files = place(where, tmp_path)
    shutil.rmtree(Path(cluster["session_dir"]) / "artifacts")  # what only that process's machine had
    again = tune.Tuner.restore(f"{path}/test", trainable(), storage_filesystem=filesystem)
    results = again.fit()
    trials = as_tuple(results)
    assert len(trials) == INTERRUPTED
    expected, uninterrupted = would_have(name, [loss for _, loss in trials])
    assert [{key: value for key, value in config.items() if key != "constant"} for config, _ in trials] == expected
    wrapped = innermost(again._local_tuner._tune_config.search_alg)  # type: ignore[union-attr]
    if name == "OptunaSearch":
        assert [trial.value for trial in wrapped._ot_study.trials] == [loss for _, loss in trials]
        assert wrapped._sampler.agent.provenance == (("optuna", "optuna", INTERRUPTED),)
        return
    assert learned(wrapped) == learned(uninterrupted) == INTERRUPTED // (2 if name == "Repeater" else 1)
    # The callback is that of the restored search, so trials from before and after the interrupt have their proposers.
    proposers = {trial: proposer for trial, proposer in proposers_in(results).items() if proposer is not None}
    assert proposers == wrapped.proposers and len(proposers) == INTERRUPTED // (2 if name == "Repeater" else 1)
    newest = max((files / "test").glob("searcher-state-*.safetensors.json"))
    assert TransferSearch(agent=newest).agent.provenance == uninterrupted.agent.provenance


@on_cluster
def test_the_example_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.chdir(tmp_path)
    runpy.run_path(str(ROOT / "examples" / "ray_tune.py"), run_name="__main__")
    shown = re.search(r"trials: (\S+) from scratch, (\S+) transferred", capsys.readouterr().out)
    assert shown and float(shown[2]) < float(shown[1]) and (tmp_path / "runs" / "ray" / "agent.safetensors").exists()


@on_cluster
def test_the_code_of_its_page_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    names: dict[str, Any] = {"__name__": "__main__"}
    exec(compile("\n".join(python_blocks("docs/how-to/ray.md")), "ray.md", "exec"), names)
    assert (tmp_path / "agent.safetensors").exists() and names["search"].suggest("1")
    column = "transfernas/proposer"
    assert len(names["frame"]) == 10 and set(names["frame"][column]) <= {"policy", "surrogate"}
    from_files = names["results"].get_dataframe("loss", "min")
    assert list(from_files[column]) == list(names["frame"][column])
    search = TransferSearch(names["changed"], agent=tmp_path / "agent.safetensors", rename={"depth": "layers"})
    assert search.agent.transfer_report is not None
    assert "states: 2 known, 1 new: dropout" in str(search.agent.transfer_report)
