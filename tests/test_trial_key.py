"""Configurations that build one network, as a user's key says, are one inside of Optuna and Ray."""

import dataclasses
import functools
import logging
import pickle
from collections.abc import Callable, Hashable
from pathlib import Path
from typing import Any

import optuna
import pytest
from optuna.distributions import BaseDistribution, CategoricalDistribution
from optuna.trial import TrialState, create_trial
from ray import tune

from transfernas import CheckpointError, TrainingConfig
from transfernas.checkpoint.snapshot import read_snapshot, write_snapshot
from transfernas.define_by_run.plans import Proposer
from transfernas.integrations.optuna import ATTRIBUTE, TransferSampler
from transfernas.integrations.ray import TransferSearch

Params = dict[str, Any]
LAYERS = ("skip", "conv", "pool")
FAST = TrainingConfig().with_changes({"rule.pair_steps": 1})


def network(params: Params) -> tuple[Hashable, ...]:
    """The layers that are left: of 3^n configurations fewer than 2^(n + 1) differ."""
    return tuple(layer for layer in params.values() if layer != "skip")


def value(params: Params) -> float:
    """Least for four alternating layers."""
    layers = network(params)
    changes = sum(left != right for left, right in zip(layers, layers[1:], strict=False))
    return abs(len(layers) - 4) + 0.5 * layers.count("pool") - 0.3 * changes


def chain(trial: optuna.Trial, layers: int = 8) -> float:
    return value({f"layer {at}": trial.suggest_categorical(f"layer {at}", LAYERS) for at in range(layers)})


def search_of(layers: int = 8, **options: Any) -> TransferSearch:
    space = {f"layer {at}": tune.choice(LAYERS) for at in range(layers)}
    return TransferSearch(space, "loss", "min", seed=0, **{"key": network, **options})


def run(search: TransferSearch, trials: int, first: int = 0) -> list[Params]:
    found = []
    for number in range(first, first + trials):
        found.append(search.suggest(str(number)) or {})
        search.on_trial_complete(str(number), {"loss": value(found[-1])})
    return found


def studied(trials: int, objective: Callable[[optuna.Trial], float] = chain, **options: Any) -> optuna.Study:
    study = optuna.create_study(study_name="chain", sampler=TransferSampler(seed=0, **options))
    study.optimize(objective, n_trials=trials)
    return study


def networks(study: optuna.Study) -> list[tuple[Hashable, ...]]:
    return [network(trial.params) for trial in study.trials]


@pytest.mark.slow
@pytest.mark.parametrize("transfer", [False, True])
def test_150_trials_inside_optuna_are_150_networks(transfer: bool) -> None:
    """Of 511; also where an agent starts from another search, whose warm start and exploring policy propose too."""
    first: Any = studied(30, lambda trial: chain(trial, 7)).sampler if transfer else None
    study = studied(150, agent=first and first.agent, key=network)
    assert len({*networks(study)}) == 150
    if transfer:
        named = {trial.user_attrs[ATTRIBUTE]["name"] for trial in study.trials}
        assert {"policy", "new policy", "surrogate", "warm start from chain"} <= named


@pytest.mark.slow
def test_150_trials_inside_ray_are_150_networks() -> None:
    search = search_of()
    assert len({network(config) for config in run(search, 150)}) == 150
    assert {"policy", "surrogate"} == {proposer.name for proposer in search.proposers.values()}


@pytest.mark.thorough
def test_without_a_key_networks_come_again_and_a_key_that_tells_all_apart_changes_nothing() -> None:
    """Also where numbers are drawn inside of their bins, and the program asks for other parameters than planned."""

    def mixed(trial: optuna.Trial) -> float:
        rate = trial.suggest_float("rate", 1e-4, 1.0, log=True)
        if trial.suggest_categorical("kind", ["a", "b"]) == "a":
            return rate + trial.suggest_int("units", 1, 1000, log=True) / 1000
        return rate + trial.suggest_float("x", 0.0, 1.0)

    plain, apart = studied(26, mixed, config=FAST), studied(26, mixed, config=FAST, key=repr)
    assert [trial.params for trial in plain.trials] == [trial.params for trial in apart.trials]
    assert len({*networks(studied(40, lambda trial: chain(trial, 4), config=FAST))}) < 31
    few = networks(studied(40, lambda trial: chain(trial, 4), config=FAST, key=network))
    assert len({*few}) == len({*few[:31]}) == 31  # all that there are; then they come again


def test_open_trials_and_trials_of_others_are_not_proposed_again() -> None:
    sampler = TransferSampler(seed=0, key=network, config=FAST)
    study = optuna.create_study(sampler=sampler)
    for params in ({"layer 0": "conv", "layer 1": "skip"}, {"layer 0": "pool", "layer 1": "skip"}):
        study.enqueue_trial(params)
    study.optimize(lambda trial: chain(trial, 2), n_trials=1)
    opened = [study.ask() for _ in range(6)]  # of 7 networks
    for trial in opened:
        chain(trial, 2)
    assert len({*networks(study)}) == 7


def test_running_trials_of_another_worker_are_not_proposed_again() -> None:
    """Each worker has a sampler of its own, and sees the other's trials in the storage."""
    first, second = (TransferSampler(seed=seed, key=network, config=FAST) for seed in (0, 1))
    study = optuna.create_study(study_name="chain", storage=optuna.storages.InMemoryStorage(), sampler=first)
    other = optuna.load_study(study_name="chain", storage=study._storage, sampler=second)
    study.optimize(lambda trial: chain(trial, 2), n_trials=1)
    for asking in (study, other, study, other, study, other):  # of 7 networks
        chain(asking.ask(), 2)
    assert len({*networks(study)}) == 7


def test_threads_evaluate_each_network_once() -> None:
    study = optuna.create_study(sampler=TransferSampler(seed=0, key=network, config=FAST))
    study.optimize(lambda trial: chain(trial, 4), n_trials=16, n_jobs=2)
    assert len({*networks(study)}) == 16


@pytest.mark.parametrize("learn", [True, False])
def test_finished_trials_of_a_loaded_study_count_whether_they_failed_or_not(learn: bool, tmp_path: Path) -> None:
    storage = f"sqlite:///{tmp_path / 'study.db'}"
    study = optuna.create_study(study_name="chain", storage=storage)
    distributions: dict[str, BaseDistribution] = {f"layer {at}": CategoricalDistribution(LAYERS) for at in range(2)}
    told = ((("conv", "skip"), TrialState.COMPLETE), (("pool", "skip"), TrialState.PRUNED))
    told += ((("skip", "skip"), TrialState.FAIL), (("conv", "conv"), TrialState.COMPLETE))  # type: ignore[assignment]
    for layers, state in told:
        params = dict(zip(distributions, layers, strict=True))
        number = 1.0 if state == TrialState.COMPLETE else None
        study.add_trial(create_trial(params=params, distributions=distributions, value=number, state=state))
    loaded = optuna.load_study(
        study_name="chain", storage=storage, sampler=TransferSampler(seed=1, key=network, config=FAST, learn=learn)
    )
    loaded.optimize(lambda trial: chain(trial, 2), n_trials=3)
    # Without learning, the space is not known, so that only the trials that came to their end are known to be whole.
    assert len({*networks(loaded)} if learn else {*networks(loaded)[-3:]} - {("conv",), ("conv", "conv")}) == (
        7 if learn else 3
    )


def test_numbers_count_as_they_are_evaluated() -> None:
    """Ten numbers of a step, of which the key sees three."""
    seen = list[int]()

    def thirds(params: Params) -> int:
        assert type(params["units"]) is int and params["units"] % 10 == 0
        return int(params["units"]) // 40

    def objective(trial: optuna.Trial) -> float:
        seen.append(trial.suggest_int("units", 10, 110, step=10))
        return float(seen[-1])

    studied(3, objective, key=thirds, config=FAST)
    assert {units // 40 for units in seen} == {0, 1, 2}
    search = TransferSearch(
        {"a": {"units": tune.qrandint(10, 110, 10)}, "b": 3}, "loss", "min", seed=0, key=lambda c: thirds(c["a"])
    )
    configs = [search.suggest(str(number)) or {} for number in range(3)]
    assert {config["a"]["units"] // 40 for config in configs} == {0, 1, 2}


def failing(params: Params) -> Hashable:
    return str(params["missing"])


@pytest.mark.parametrize(
    "key, kind, message",
    [
        (
            failing,
            RuntimeError,
            r"function key \(failing\) raised KeyError\('missing'\) for the parameters {'layer 0': ",
        ),
        (
            list,
            TypeError,
            r"key \(list\), called for the parameters {'layer 0': .* returned \['layer 0'.*hashed",
        ),
        (lambda params: None, TypeError, "returned None, which identifies no network"),
    ],
)
def test_an_error_of_the_key_names_it_and_the_configuration(
    key: Callable[[Params], Hashable], kind: type[Exception], message: str
) -> None:
    sampler = TransferSampler(seed=0, key=key, config=FAST)
    study = optuna.create_study(sampler=sampler)
    with pytest.raises(kind, match=message):
        study.optimize(lambda trial: chain(trial, 2), n_trials=3)
    assert [trial.state for trial in study.trials] == [TrialState.COMPLETE, TrialState.FAIL]  # then it is known whole
    assert sampler.agent.learner.learned == 1
    search = search_of(2, key=key)
    with pytest.raises(kind, match=message):
        search.suggest("1")
    assert search.proposers == {}


def test_a_key_may_fail_for_parameters_that_a_plan_lacks() -> None:
    """A branch that no trial took yet has parameters that no plan has."""

    def objective(trial: optuna.Trial) -> float:
        if trial.suggest_categorical("kind", ["a", "b"]) == "a":
            return float(trial.suggest_int("depth", 1, 3))
        return float(trial.suggest_int("width", 1, 3))

    def key(params: Params) -> Hashable:
        return params["depth"] if params["kind"] == "a" else -params["width"]

    study = studied(6, objective, key=key, config=FAST)
    assert {key(trial.params) for trial in study.trials} == {1, 2, 3, -1, -2, -3}


@pytest.mark.parametrize("make", [TransferSampler, TransferSearch])
def test_what_is_no_function_is_refused(make: Callable[..., object]) -> None:
    with pytest.raises(TypeError, match="key must be a function from the parameters of a trial to a hashable value"):
        make(key="layers")


def test_a_pickled_sampler_knows_the_networks() -> None:
    study = pickle.loads(pickle.dumps(studied(3, lambda trial: chain(trial, 2), key=network, config=FAST)))
    study.optimize(lambda trial: chain(trial, 2), n_trials=4)
    assert len({*networks(study)}) == 7


@pytest.mark.thorough
def test_a_restored_search_of_ray_knows_the_networks_and_needs_the_key(tmp_path: Path) -> None:
    search = search_of(3, config=FAST, points_to_evaluate=[{f"layer {at}": "pool" for at in range(3)}])
    opened = [search.suggest("first"), search.suggest("second")]
    search.add_evaluated_point({f"layer {at}": "conv" for at in range(3)}, 1.0)
    search.on_trial_complete("failed", error=True)
    found = run(search, 4)
    search.save(str(tmp_path / "search"))
    with pytest.raises(ValueError, match=r"has a key, and no file holds that function; give it again"):
        TransferSearch().restore(str(tmp_path / "search"))
    restored = TransferSearch(key=network)
    restored.restore(str(tmp_path / "search"))
    following = run(restored, 8, first=10)
    assert following == run(search, 8, first=10)
    assert len({network(config or {}) for config in [*opened, *found, *following]} | {("conv",) * 3}) == 15
    restored.save(str(tmp_path / "again"))
    again = TransferSearch(key=network)
    again.restore(str(tmp_path / "again"))
    assert run(again, 2, first=20) == run(search, 2, first=20)


def test_who_proposed_is_known_after_a_restore(tmp_path: Path) -> None:
    source = search_of(2, config=FAST, task="earlier")
    run(source, 4)
    given = {"layer 0": "conv", "layer 1": "pool", "layer 2": "skip"}
    search = search_of(3, agent=source.agent, points_to_evaluate=[given])
    run(search, 4)
    search.suggest("open")
    proposers = search.proposers
    assert list(proposers) == ["1", "2", "3", "open"]  # the first one's parameters were all given
    assert proposers["1"].name == "warm start from earlier"
    assert all(proposer.trust is not None and 0.0 < proposer.trust < 1.0 for proposer in proposers.values())
    search.save(str(tmp_path / "search"))
    restored = TransferSearch(key=network)
    restored.restore(str(tmp_path / "search"))
    assert restored.proposers == proposers
    assert all(isinstance(proposer, Proposer) for proposer in restored.proposers.values())
    run(restored, 1, first=4)
    assert list(restored.proposers) == [*proposers, "4"]


def test_ray_logs_once_how_much_the_agent_knew(caplog: pytest.LogCaptureFixture, tmp_path: Path) -> None:
    source = search_of(2, config=FAST)
    run(source, 2)
    logger = logging.getLogger("ray.tune.transfernas")
    logger.addHandler(caplog.handler)
    try:
        with caplog.at_level(logging.INFO, logger.name):
            search = search_of(3, agent=source.agent, task="faces")
            assert not caplog.records
            run(search, 2)
            search.save(str(tmp_path / "search"))
            functools.partial(TransferSearch, key=network)().restore(str(tmp_path / "search"))
            run(source, 1, first=2)
    finally:
        logger.removeHandler(caplog.handler)
    said = {record.getMessage() for record in caplog.records if record.name == logger.name}
    assert said == {
        "Search 'faces' starts from an agent: 2 of 3 parameters known, task new, up to 2 earlier configurations, tried "
        "unless they disappoint; new: layer 2"
    }


@pytest.mark.parametrize("wrong", [3, [3], [{"layer 9": 0}], [{"layer 0": 7}], [{"layer 0": "conv"}]], ids=repr)
def test_damaged_parameters_of_finished_trials_are_refused(wrong: object, tmp_path: Path) -> None:
    search = search_of(2, config=FAST)
    run(search, 1)
    search.save(str(tmp_path / "search"))
    saved = read_snapshot(tmp_path / "search")
    write_snapshot(tmp_path / "search", dataclasses.replace(saved, notes={**saved.notes, "evaluated": wrong}))
    restored = search_of(2, config=FAST)
    with pytest.raises(CheckpointError, match="the notes of the saved search cannot be read"):
        restored.restore(str(tmp_path / "search"))
    assert run(restored, 1)
