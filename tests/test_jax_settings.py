"""Whatever settings of JAX a user has, the library computes under its own, and to the same bits."""

import contextlib
import copy
import io
from collections.abc import Iterator
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import optuna
import pytest

from programs import run
from transfernas import Agent, Choice, Problem, SearchSpace
from transfernas.integrations.optuna import TransferSampler

SETTINGS: list[tuple[str, object]] = [
    ("jax_enable_x64", True),
    ("jax_numpy_dtype_promotion", "strict"),
    ("jax_numpy_rank_promotion", "raise"),
    ("jax_numpy_rank_promotion", "allow"),
    ("jax_transfer_guard", "disallow"),
    ("jax_transfer_guard", "disallow_explicit"),
    ("jax_transfer_guard_host_to_device", "disallow_explicit"),
    ("jax_transfer_guard_device_to_host", "disallow_explicit"),
    ("jax_disable_jit", True),
    ("jax_default_matmul_precision", "bfloat16"),
    ("jax_debug_nans", True),
    ("jax_debug_infs", True),
    ("jax_check_tracer_leaks", True),
    ("jax_enable_checks", True),
    ("jax_debug_key_reuse", True),
    ("jax_default_prng_impl", "rbg"),
    ("jax_threefry_partitionable", False),
    ("jax_enable_custom_prng", True),
    ("jax_no_tracing", True),
    ("jax_no_execution", True),
    ("jax_softmax_custom_jvp", False),
    ("jax_array_garbage_collection_guard", "log"),
    ("jax_default_device", "cpu"),
]


def current(name: str) -> object:
    return getattr(jax.config, name)


@contextlib.contextmanager
def setting(name: str, value: object) -> Iterator[None]:
    """Has the user's settings be otherwise for a while."""
    before = current(name)
    jax.config.update(name, value)
    try:
        yield
    finally:
        jax.config.update(name, before)


def space() -> SearchSpace:
    return SearchSpace("s", [Choice("a", (1, 2, 3)), Choice("b", (0.1, 0.2, 0.4)), Choice("c", ("x", "y"))])


def trials(folder: Path) -> list[object]:
    """A search, a save, a load, a transfer, and another search: what was proposed, and what is known in the end."""
    agent = Agent([Problem(space(), "t")], seed=3)
    found: list[object] = []
    for number in range(4):
        trial = agent.ask()
        found.append(trial.config)
        agent.tell(trial, float(trial.config["a"]) + number)  # type: ignore[arg-type]
    agent.save(folder / "agent.safetensors")
    agent = copy.deepcopy(Agent.load(folder / "agent.safetensors")).transfer_to([Problem(space(), "u")], seed=1)
    for _ in range(3):
        trial = agent.ask()
        found.append(trial.config)
        agent.tell(trial, float(trial.config["b"]))  # type: ignore[arg-type]
    best = agent.best()
    assert best is not None
    leaves = [np.asarray(leaf) for leaf in jax.tree.leaves(agent.learner.state)]
    return [*found, best.config, [leaf.tobytes() for leaf in leaves], [leaf.dtype for leaf in leaves]]


@pytest.fixture(scope="module")
def expected(tmp_path_factory: pytest.TempPathFactory) -> list[object]:
    return trials(tmp_path_factory.mktemp("settings"))


@pytest.mark.thorough
@pytest.mark.parametrize(("name", "value"), SETTINGS)
def test_a_search_is_the_same_to_the_bit(name: str, value: object, expected: list[object], tmp_path: Path) -> None:
    with setting(name, value):
        assert trials(tmp_path) == expected


@pytest.mark.thorough
def test_a_search_is_the_same_under_context_managers(expected: list[object], tmp_path: Path) -> None:
    with jax.enable_x64(True), jax.disable_jit(), jax.transfer_guard("disallow"), jax.debug_nans(True):
        assert trials(tmp_path) == expected


def test_the_users_settings_are_theirs_again_afterwards() -> None:
    with setting("jax_enable_x64", True), setting("jax_numpy_dtype_promotion", "strict"):
        agent = Agent([Problem(space(), "t")], seed=0)
        agent.tell(agent.ask(), 1.0)
        assert jnp.ones(2).dtype == jnp.float64 and current("jax_numpy_dtype_promotion") == "strict"
    with jax.disable_jit():
        agent.tell(agent.ask(), 1.0)
        assert current("jax_disable_jit")


@pytest.mark.thorough
def test_settings_that_change_in_the_middle_of_a_study(quiet: None) -> None:
    def study(change: bool) -> list[dict[str, object]]:
        def objective(trial: optuna.Trial) -> float:
            value = trial.suggest_float("x", 0, 1) + trial.suggest_int("k", 1, 3)
            if change and trial.number < len(SETTINGS):
                opened.enter_context(setting(*SETTINGS[trial.number]))
            return value

        with contextlib.ExitStack() as opened, contextlib.redirect_stderr(io.StringIO()) as said:
            found = optuna.create_study(study_name="settings", sampler=TransferSampler(seed=0))
            found.optimize(objective, n_trials=len(SETTINGS) + 2)
        assert "not learned from" not in said.getvalue()
        return [trial.params for trial in found.trials]

    assert study(change=True) == study(change=False)


MESH = """
    import os
    os.environ["JAX_ENABLE_X64"] = "1"
    import jax, jax.numpy as jnp, optuna
    jax.config.update("jax_num_cpu_devices", 8)
    jax.config.update("jax_platforms", "cpu")
    from transfernas.integrations.optuna import TransferSampler

    optuna.logging.set_verbosity(optuna.logging.ERROR)

    def found(mesh):
        def objective(trial):
            x = trial.suggest_float("x", 0, 1) + trial.suggest_categorical("c", [0.0, 1.0])
            if mesh == "set":
                jax.set_mesh(jax.make_mesh((8,), ("batch",)))
                return float(jnp.sum(jnp.ones(8) * x)) / 8
            return x

        study = optuna.create_study(study_name="one", sampler=TransferSampler(seed=0))
        if mesh == "with":
            with jax.set_mesh(jax.make_mesh((8,), ("batch",))):
                study.optimize(objective, n_trials=5)
        else:
            study.optimize(objective, n_trials=5)
        return [trial.params for trial in study.trials]

    plain = found(None)
    print(found("with") == plain, found("set") == plain, dict(jax.sharding.get_mesh().shape), jnp.ones(1).dtype)
"""


@pytest.mark.thorough
def test_a_mesh_of_the_users_reaches_no_computation_of_the_library() -> None:
    assert run(MESH) == "True True {'batch': 8} float64"
