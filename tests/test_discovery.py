"""Spaces from what programs ask for."""

import numpy as np
import optuna
import pytest

from transfernas import Choice, SearchSpace
from transfernas.define_by_run.discovery import Parameters, discover
from transfernas.integrations.optuna import TransferSampler
from transfernas.spaces.condition import Action

ACTIONS: dict[str, tuple[Action, ...]] = {
    "optimizer": ("adam", "sgd"),
    "rate": (0.1, 0.2, 0.3, 0.4, 0.5, 0.6),
    "momentum": (0.0, 0.5, 0.9),
    "layers": (1, 2, 3, 4),
    **{f"units {layer}": (16, 32, 64) for layer in range(4)},
    "warm up": (True, False),
}


def asked(rng: np.random.Generator) -> dict[str, Action]:
    """One run of a program whose space nobody declared."""
    taken: dict[str, Action] = {}

    def take(name: str) -> Action:
        taken[name] = ACTIONS[name][rng.integers(len(ACTIONS[name]))]
        return taken[name]

    sgd, _ = take("optimizer") == "sgd", take("rate")
    if sgd:
        take("momentum")
    layers = take("layers")
    for layer in range(int(str(layers))):
        take(f"units {layer}")
    if layers in (3, 4) and not sgd:
        take("warm up")
    return taken


def fits(space: SearchSpace, config: dict[str, Action]) -> bool:
    try:
        space.validate(config)
    except ValueError:
        return False
    return True


@pytest.mark.parametrize("seed", range(5))
def test_conditions_are_found_from_some_tens_of_trials(seed: int) -> None:
    rng = np.random.default_rng(seed)
    few = discover("s", ACTIONS, [asked(rng) for _ in range(30)])
    assert sum(fits(few, asked(rng)) for _ in range(300)) >= 250
    space = discover("s", ACTIONS, [asked(rng) for _ in range(120)])
    assert all(fits(space, asked(rng)) for _ in range(300))
    assert [choice.name for choice in space.choices if choice.when is None] == [
        "optimizer",
        "rate",
        "layers",
        "units 0",
    ]


def chosen_model(rng: np.random.Generator) -> dict[str, Action]:
    """One run of a program that chooses a model, and asks for the parameters of that model alone."""
    model = MODELS["model"][rng.integers(4)]
    taken: dict[str, Action] = {"model": model, "scaler": MODELS["scaler"][rng.integers(2)]}
    return taken | {name: its[rng.integers(len(its))] for name, its in MODELS.items() if name[:3] == str(model)[:3]}


PLACES: tuple[Action, ...] = tuple(range(16))
MODELS: dict[str, tuple[Action, ...]] = {
    "model": ("knn", "logistic", "forest", "svc"),
    "scaler": ("standard", "unit"),
    **dict.fromkeys(("knn neighbours", "log C", "for depth", "for leaf", "svc C", "svc gamma"), PLACES),
}


@pytest.mark.parametrize("seed", range(5))
def test_a_rule_that_tells_all_trials_from_one_another_is_found_from_a_few(seed: int) -> None:
    rng = np.random.default_rng(seed)
    trials = [chosen_model(rng) for _ in range(12)]
    met = {name for trial in trials for name in trial}
    models = {trial["model"] for trial in trials}
    space = discover("s", {name: its for name, its in MODELS.items() if name in met}, trials)
    others = [other for other in (chosen_model(rng) for _ in range(200)) if other["model"] in models]
    assert np.mean([fits(space, other) for other in others]) >= 0.95


def test_a_rule_of_two_parameters_is_found_where_neither_explains_anything_alone() -> None:
    rng = np.random.default_rng(0)

    def asked_for_both() -> dict[str, Action]:
        taken: dict[str, Action] = {f"n{at}": int(rng.integers(16)) for at in range(4)}
        taken |= {"a": "xyz"[rng.integers(3)], "b": "pqr"[rng.integers(3)]}
        return taken | ({"both": int(rng.integers(16))} if (taken["a"], taken["b"]) == ("x", "p") else {})

    actions = {**dict.fromkeys([f"n{at}" for at in range(4)], PLACES), "a": tuple("xyz"), "b": tuple("pqr")}
    space = discover("s", actions | {"both": PLACES}, [asked_for_both() for _ in range(40)])
    assert np.mean([fits(space, asked_for_both()) for _ in range(200)]) >= 0.95


def test_a_number_that_was_not_seen_is_taken_for_its_neighbour() -> None:
    trials: list[dict[str, Action]] = [{"layers": 1}, {"layers": 3, "second": 0}, {"layers": 4, "second": 1}] * 4
    space = discover("s", {"layers": (1, 2, 3, 4, 5), "second": (0, 1)}, trials)
    assert fits(space, {"layers": 5, "second": 0}) and fits(space, {"layers": 1})
    kinds = discover("s", {"kind": ("a", "b", "c"), "second": (0, 1)}, [{"kind": "a"}, {"kind": "b", "second": 1}] * 4)
    assert fits(kinds, {"kind": "c"})


@pytest.mark.parametrize("kinds", [(0, False, 0.0), (1, True, 1.0, "1", None), (2.0, 1, 1.0, 2)])
@pytest.mark.parametrize("at", range(3))
def test_equal_actions_of_different_types_have_conditions_of_their_own(kinds: tuple[Action, ...], at: int) -> None:
    trials: list[dict[str, Action]] = [{"kind": kind} | ({"second": 0} if kind is kinds[at] else {}) for kind in kinds]
    space = discover("s", {"kind": kinds, "second": (0, 1)}, trials * 4)
    assert all(fits(space, trial) for trial in trials)


def test_trials_that_stopped_tell_the_conditions_of_what_no_other_trial_has() -> None:
    actions: dict[str, tuple[Action, ...]] = {"kind": ("tree", "net"), "rate": (1, 2, 3), "depth": (1, 2, 3)}
    trials: list[dict[str, Action]] = [{"kind": "tree", "rate": rate} for rate in (1, 2, 3)]
    stopped: list[dict[str, Action]] = [{"kind": "net", "rate": 2, "depth": 3}, {"kind": "net"}]
    space = discover("s", actions, trials, stopped)
    assert all(fits(space, trial) for trial in [*trials, stopped[0]])
    assert discover("s", actions, [], stopped) == discover("s", actions, [])
    whole: list[dict[str, Action]] = [*trials, {"kind": "net", "rate": 1, "depth": 1}]
    assert discover("s", actions, whole, stopped) == discover("s", actions, whole)


@pytest.mark.thorough
@pytest.mark.parametrize("error", [MemoryError, optuna.TrialPruned])
@pytest.mark.usefixtures("quiet")
def test_a_kind_that_never_comes_to_its_end_makes_no_other_kind_repeat_trials(error: type[Exception]) -> None:
    def objective(trial: optuna.Trial) -> float:
        kind = trial.suggest_categorical("kind", ("tree", "forest", "net"))
        value = sum(trial.suggest_categorical(name, tuple(range(4))) for name in ("x", "y"))
        if kind == "net":
            trial.suggest_categorical("depth", ("a", "b", "c", "d"))
            raise error
        return value

    study = optuna.create_study(sampler=TransferSampler(seed=0))
    study.optimize(objective, n_trials=30, catch=MemoryError)
    assert len({repr(sorted(trial.params.items())) for trial in study.trials}) == 30


def test_what_is_always_or_never_or_by_chance_there_has_no_condition() -> None:
    rng = np.random.default_rng(0)
    actions: dict[str, tuple[Action, ...]] = {"a": (0, 1), "always": (0, 1), "never": (0, 1), "chance": (0, 1)}
    trials: list[dict[str, Action]] = [{"a": int(rng.integers(2)), "always": 0} for _ in range(60)]
    for trial in trials:
        if rng.random() < 0.6:
            trial["chance"] = 1
    space = discover("s", actions, trials)
    assert all(choice.when is None for choice in space.choices)
    assert discover("s", actions, []) == SearchSpace("s", [Choice(name, its) for name, its in actions.items()])


def test_parameters_keep_their_order_and_the_places_of_their_actions() -> None:
    parameters = Parameters()
    assert parameters.take({"a": (1, 2), "c": ("x",)})
    assert not parameters.take({"c": ("x",)})
    assert parameters.take({"a": (3, 2), "b": (True,), "c": ("x", "y")})
    assert parameters.actions == {"a": (1, 2, 3), "b": (True,), "c": ("x", "y")}
    assert list(parameters.actions) == ["a", "b", "c"]
    assert parameters.position("a", 3) == 2 and parameters.position("b", 1) is None
