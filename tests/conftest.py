"""Settings for every test."""

import gc
import logging
import signal
from collections.abc import Iterator
from pathlib import Path

import jax
import jaxtyping
import optuna
import pytest
from hypothesis import settings

import transfernas  # noqa: F401  (sets up JAX first)
from searchers import CONFIG, NewFn, new_agent, new_evolution, new_fast, new_optuna, new_random
from transfernas.baselines import random

jax.config.update("jax_numpy_rank_promotion", "raise")

# The same examples in every run: a failure is a change's, not a seed's. `--hypothesis-profile explore` looks further.
settings.register_profile("same", derandomize=True, deadline=None)
settings.register_profile("explore", deadline=None, max_examples=1000)
settings.load_profile("same")

# A shell starts what it puts into the background with Ctrl-C ignored; tests of interrupts need it as it is elsewhere.
signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture
def quiet() -> Iterator[None]:
    """Keeps Optuna's log of trials out of a test's output, and gives its level back."""
    before = optuna.logging.get_verbosity()
    optuna.logging.set_verbosity(optuna.logging.CRITICAL)
    yield
    optuna.logging.set_verbosity(before)


@pytest.fixture
def heard(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The messages to users of Optuna, whatever its verbosity."""
    messages = list[str]()
    handler, logger = logging.Handler(logging.INFO), logging.getLogger("optuna.transfernas")
    handler.emit = lambda record: messages.append(record.getMessage())  # type: ignore[method-assign]
    monkeypatch.setattr(logger, "handlers", [handler])
    monkeypatch.setattr(logger, "level", logging.INFO)
    logger.manager._clear_cache()  # type: ignore[attr-defined]  # of the levels
    return messages


@pytest.fixture
def unchecked() -> Iterator[None]:
    """Leaves the types of what is called unchecked: checking a hundred thousand calls takes longer than the calls."""
    jaxtyping.config.update("jaxtyping_disable", True)
    yield
    jaxtyping.config.update("jaxtyping_disable", False)


@pytest.fixture(
    params=[new_agent, new_fast, new_random, new_evolution, new_optuna],
    ids=["agent", "fast", "random", "evolution", "optuna"],
)
def new(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> NewFn:
    """Makes a searcher of problems and a seed: each kind of searcher in turn."""
    if request.param is new_optuna:  # it looks through all that it drew for the next draw: 10,000 take a minute
        monkeypatch.setattr(random, "MAX_CANDIDATES", CONFIG.proposal.max_candidates)
    return request.param


@pytest.fixture(autouse=True)
def unchecked_where_slow(request: pytest.FixtureRequest) -> None:
    """Has tests of learning, which call everything thousands of times, leave types unchecked; others check them."""
    if request.node.get_closest_marker("slow"):
        request.getfixturevalue("unchecked")


@pytest.fixture(autouse=True, scope="module")
def room_for_compiled_code() -> Iterator[None]:
    """Gives back the memory of compiled functions where they are many.

    Each takes some mappings of memory. Linux gives a process 65,530 of them, and the compiler crashes without.
    """
    yield
    maps = Path("/proc/self/maps")
    if maps.exists() and maps.read_bytes().count(b"\n") > 20_000:
        jax.clear_caches()
        gc.collect()
