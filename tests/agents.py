"""Agents that several tests share: before and after a transfer, with open trials; and changed files of agents."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jax
import numpy as np
import safetensors.numpy

from kept import counted, queued
from searchers import CONFIG, FAST, KINDS, PROBLEMS, TWO, play
from transfernas import (
    Agent,
    Choice,
    DecoderConfig,
    LstmConfig,
    Problem,
    SearchSpace,
    TrainingConfig,
)
from transfernas.spaces.condition import Config

Header = dict[str, Any]
Tensors = dict[str, np.ndarray]
ChangeFn = Callable[[dict[str, str], Header, Tensors], object]  # of metadata, header and tensors, in place

# The LSTM, with all that it can have.
LSTM = CONFIG.with_changes({"network": LstmConfig(embedding_size=4, units=8, layers=2, anchors=True)})
DECODER = CONFIG.with_changes({"network": DecoderConfig(embedding_size=4, feed_forward=8, number_length=0.0)})
NEXT = SearchSpace(
    "next",
    [Choice("kind", KINDS), Choice("drop", (0.0, 0.5), when={"kind": "conv"}), Choice("act", ("relu", "gelu"))],
)
NEXT_PROBLEMS = (Problem(NEXT, "one"), TWO)  # all fits the shapes of the problems before
TARGET: dict[str, Config] = {
    "one": {"kind": "conv", "width": 32, "act": "relu"},
    "two": {"depth": 4, "kind": "pool", "norm": None},
}
HISTORY = [(problem, TARGET[problem.task], 1.0) for problem in PROBLEMS]


def leaves(agent: Agent) -> list[np.ndarray]:
    learner = agent.learner
    return [*map(np.asarray, jax.tree.leaves(learner.state)), *counted(learner), *queued(learner)]


def played(problems: tuple[Problem, ...] = PROBLEMS, config: TrainingConfig = CONFIG) -> Agent:
    agent = Agent(problems, config, seed=3)
    play(agent, 6)
    return agent


def with_open_trials(problems: tuple[Problem, ...] = PROBLEMS, config: TrainingConfig = CONFIG) -> Agent:
    agent = played(problems, config)
    trials = agent.ask(5)
    agent.tell(trials[3], 2.0)
    agent.tell(trials[1], failed=True)
    return agent


def lstm() -> Agent:
    return with_open_trials(config=LSTM)


def lstm_transferred() -> Agent:
    agent = lstm().transfer_to(NEXT_PROBLEMS)
    play(agent, 2)
    return agent


def fast() -> Agent:
    return with_open_trials(config=FAST)


def fast_transferred() -> Agent:
    """Right after a transfer, with open trials of all that can propose."""
    agent = fast().transfer_to(NEXT_PROBLEMS, FAST.with_changes({"transfer.bandit.control": 0}), seed=1)
    play(agent, 5)  # what was best before comes first
    agent.ask(24)
    assert {opened.kept.proposer for opened in agent._open.values()} == {0, 1, 2, 3}
    return agent


def fast_transferred_and_played() -> Agent:
    agent = fast_transferred()
    agent.learn_from([(NEXT_PROBLEMS[0], {"kind": "conv", "drop": 0.5, "act": "gelu"}, 1.5)])
    play(agent, 8)
    return agent


def wide(tensors: Tensors) -> Tensors:
    """Returns tensors with whole numbers of 32 bits throughout."""
    return {name: tensor.astype(np.int32) if tensor.dtype.kind in "iu" else tensor for name, tensor in tensors.items()}


def rewrite(source: Path, target: Path, change: ChangeFn) -> Path:
    """Writes a changed copy of an agent's file."""
    with safetensors.safe_open(source, framework="numpy") as file:
        metadata = file.metadata()
    header, tensors = json.loads(metadata["agent"]), wide(safetensors.numpy.load_file(source))
    metadata["agent"] = ""
    change(metadata, header, tensors)
    metadata["agent"] = metadata.get("agent") or json.dumps(header)
    safetensors.numpy.save_file(tensors, target, metadata)
    return target
