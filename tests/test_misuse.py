"""Mistakes that are easily made, and what is said of them."""

import subprocess
import sys
from collections.abc import Callable

import pytest

from problems import PROBLEMS, cnn
from searchers import play_in_threads
from transfernas import Agent, Choice, Equal, In, Problem, Repeat, SearchSpace, TrainingConfig
from transfernas.spaces.counting import bounds


@pytest.mark.thorough
def test_threads_may_share_an_agent() -> None:
    agent = Agent(PROBLEMS, seed=0)
    play_in_threads(agent, 200)
    assert sum(trials for _, _, trials in agent.provenance) == agent.learner.sampled == 200


@pytest.mark.parametrize(
    ("make", "error", "text"),
    [
        (lambda: Choice("op", {"conv", "pool"}), TypeError, "a set has no order"),
        (lambda: In("op", frozenset(("conv", "pool"))), TypeError, "a set has no order"),  # type: ignore[arg-type]
        (lambda: SearchSpace("s", {Choice("a", (1,))}), TypeError, "a set has no order"),
        (lambda: Agent({PROBLEMS[0]}), TypeError, "a set has no order"),
        (lambda: Equal("a", 1) and Equal("b", 2), TypeError, "combine conditions with &, | and ~"),
        (lambda: Equal("a", 1) & 3, TypeError, "3 is not a condition"),  # type: ignore[operator]
        (lambda: SearchSpace("s", Choice("a", (1,))), TypeError, "must be a tuple or list"),  # type: ignore[arg-type]
        (lambda: Repeat("n", (1, 2), [("units", (1,))]), TypeError, "made of Choice and Repeat"),  # type: ignore[list-item]
        (lambda: Agent(PROBLEMS[0]), TypeError, "problems must be a tuple or list"),  # type: ignore[arg-type]
        (lambda: Agent(PROBLEMS, 3), TypeError, "config must be a TrainingConfig, such as .*, not 3"),  # type: ignore[arg-type]
        (lambda: Agent(PROBLEMS, {}), TypeError, "config must be a TrainingConfig, such as .*, not {}"),  # type: ignore[arg-type]
        (lambda: Problem(cnn, "t", valid=True), TypeError, "valid must be a function"),  # type: ignore[arg-type]
        (lambda: Problem(cnn, "t", key="hash"), TypeError, r"key must be a function .*as in key=.*, not 'hash'"),  # type: ignore[arg-type]
        (lambda: TrainingConfig.paper().with_changes({"rule.adam_b1": 1.0}), ValueError, "TrainingConfig.rule.adam_b1"),
        (
            lambda: TrainingConfig.paper().with_changes({"rule.adam_epsilon": 0.0}),
            ValueError,
            "TrainingConfig.rule.adam_epsilon",
        ),
    ],
)
def test_a_mistake_is_explained(make: Callable[[], object], error: type[Exception], text: str) -> None:
    with pytest.raises(error, match=text):
        make()


def test_switches_before_what_they_switch_are_counted() -> None:
    """Conditions that connect nothing but pairs: the number of partial configurations must not double with each."""
    switches = [Choice(f"on {number}", (False, True)) for number in range(60)]
    values = [Choice(f"value {number}", (1, 2, 3), when={f"on {number}": True}) for number in range(60)]
    space = SearchSpace("switched", switches + values)
    assert space.size == 4**60
    assert bounds(space.choices) == (120, 60 * 2 + 60 * 3)


@pytest.mark.thorough
def test_what_can_not_be_counted_is_said_and_can_be_searched() -> None:
    """One switch for all connects every pair, and 2^16 combinations are to be told apart."""
    bits = [Choice(f"on {number}", (0, 1)) for number in range(16)]
    values = [Choice(f"value {number}", (1, 2), when={"all": True, f"on {number}": 1}) for number in range(16)]
    space = SearchSpace("entangled", [Choice("all", (False, True)), *bits, *values])
    for count in (lambda: space.size, lambda: space.edges):
        with pytest.raises(ValueError, match="more than 10000 combinations of earlier choices"):
            count()
    assert bounds(space.choices) == (33, 66)
    for trial in Agent([Problem(space, "t")]).ask(5):
        space.validate(trial.config)


@pytest.mark.thorough
def test_there_is_an_import_without_a_home() -> None:
    script = """
import os, pathlib
def none():
    raise RuntimeError("no home")
pathlib.Path.home = staticmethod(none)
import transfernas, jax
print(jax.config.jax_compilation_cache_dir)
"""
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, env={"PATH": ""}, timeout=120)
    assert done.stdout.strip() == "None", done.stderr
