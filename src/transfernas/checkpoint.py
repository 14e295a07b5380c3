"""The agent's file: one safetensors file with a JSON header, never a pickle.

The tensors are the learner's state, named by their place in it. The header says everything else: vocabulary, problems,
hyperparameters, where the knowledge comes from, counts. Together they are all that
the agent needs to go on bit for bit.
"""

import dataclasses
import json
from dataclasses import dataclass
from pathlib import Path

import jax
import numpy as np
import safetensors
import safetensors.numpy

from .files import write_atomically
from .learning.config import TrainingConfig
from .learning.learner import Learner, Past, restore
from .learning.steps import LearnerState, init_state
from .policy.architecture import Capacity
from .spaces.encoding import encode
from .spaces.problem import Problem
from .spaces.schema import Json, space_from_json, space_to_json
from .spaces.space import Config
from .spaces.vocabulary import Vocabulary

FORMAT = "transfernas-agent"
VERSION = 1


class CheckpointError(ValueError):
    """A file that is no agent, or not one that this version can read."""


@dataclass(frozen=True, slots=True)
class OpenTrial:
    """A trial that was asked and not told when the agent was saved."""

    number: int
    row: int
    config: Config


@dataclass(frozen=True, slots=True)
class Snapshot:
    """What an agent's file holds.

    Attributes:
        learner: the learner, one replica.
        name: the agent's name, by which its trials know it.
        asked: how many trials it has asked for.
        open_trials: those that were not told yet.
        restricted: rows of the problems that have a function `valid`, which the file does not hold.
    """

    learner: Learner
    name: str
    asked: int
    open_trials: tuple[OpenTrial, ...]
    restricted: tuple[int, ...]


def write_snapshot(path: Path, snapshot: Snapshot) -> Path:
    """Writes an agent's file under a temporary name and renames it, so that the path never holds half a file."""
    tensors = {name: np.ascontiguousarray(leaf) for name, leaf in _named_leaves(snapshot.learner.state)}
    header = {"format": FORMAT, "version": str(VERSION), "agent": json.dumps(_to_json(snapshot))}
    write_atomically(path, safetensors.numpy.save(tensors, header))
    return path


def read_snapshot(path: Path) -> Snapshot:
    """Reads an agent's file.

    Raises:
        CheckpointError: the file is damaged, foreign or of a newer version; the message names what is wrong.
        FileNotFoundError: there is no such file.
    """
    try:
        with safetensors.safe_open(path, framework="numpy") as file:
            header = file.metadata() or {}
            _check_header(path, header)
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118  (no mapping)
    except (safetensors.SafetensorError, UnicodeDecodeError) as error:
        raise CheckpointError(f"{path} is not a whole safetensors file, or not one at all: {error}") from None
    try:
        return _from_json(json.loads(header["agent"]), tensors)
    except CheckpointError as error:
        raise CheckpointError(f"{path} is damaged: {error}") from None
    except KeyError as error:
        raise CheckpointError(f"{path} is damaged: its header lacks the field {error}") from None
    except (TypeError, ValueError, IndexError, AttributeError) as error:
        raise CheckpointError(f"{path} is damaged: its header can not be read: {error}") from None


def _check_header(path: Path, header: dict[str, str]) -> None:
    if header.get("format") != FORMAT:
        raise CheckpointError(f"{path} is a safetensors file, but no agent: its format is {header.get('format')!r}")
    version = header.get("version", "")
    if not version.isdecimal() or int(version) > VERSION:
        raise CheckpointError(
            f"{path} has format version {version}; this version of transfernas reads up to {VERSION}: upgrade it"
        )


def _named_leaves(state: LearnerState) -> list[tuple[str, np.ndarray]]:
    leaves, _ = jax.tree_util.tree_flatten_with_path(state)
    return [(jax.tree_util.keystr(path).lstrip("."), np.asarray(leaf)) for path, leaf in leaves]


def _to_json(snapshot: Snapshot) -> Json:
    learner = snapshot.learner
    spaces = {problem.space.name: space_to_json(problem.space) for problem in learner.encoding.problems}
    return {
        "name": snapshot.name,
        "asked": snapshot.asked,
        "open_trials": [dataclasses.asdict(trial) for trial in snapshot.open_trials],
        "restricted": list(snapshot.restricted),
        "config": dataclasses.asdict(learner.config),
        "seed": learner.seed,
        "sampled": learner.sampled,
        "learned": learner.learned,
        "acceptance": learner.acceptance,
        "states": learner.vocabulary.states,
        "actions": learner.vocabulary.actions,
        "tasks": learner.vocabulary.tasks,
        "known": None if learner.known is None else _sizes(learner.known),
        "capacity": list(learner.capacity),
        "spaces": list(spaces.values()),
        "problems": [problem.name for problem in learner.encoding.problems],
        "past": [[past.space, past.task, list(past.trials)] for past in learner.past],
    }


def _from_json(value: Json, tensors: dict[str, np.ndarray]) -> Snapshot:
    config = TrainingConfig(**value["config"])
    actions = tuple((state, kind, action) for state, kind, action in value["actions"])
    vocabulary = Vocabulary(tuple(value["states"]), actions, tuple(value["tasks"]))
    known = value["known"]
    spaces = {space.name: space for space in map(space_from_json, value["spaces"])}
    problems = tuple(Problem(spaces[space], task) for space, task in value["problems"])
    encoding = encode(problems, vocabulary)
    capacity = Capacity(*value["capacity"])
    rows = len(encoding.tables.task)
    expected = init_state(np.random.default_rng(0), 1, capacity, config, rows, encoding.steps)
    learner = restore(
        config=config,
        seed=int(value["seed"]),
        vocabulary=vocabulary,
        encoding=encoding,
        state=_filled(expected, tensors),
        known=None if known is None else _first_names(vocabulary, *known),
        past=tuple(Past(space, task, tuple(trials)) for space, task, trials in value["past"]),
        sampled=int(value["sampled"]),
        learned=int(value["learned"]),
        acceptance=float(value["acceptance"]),
    )
    open_trials = tuple(OpenTrial(**trial) for trial in value["open_trials"])
    return Snapshot(learner, str(value["name"]), int(value["asked"]), open_trials, tuple(value["restricted"]))


def _filled(expected: LearnerState, tensors: dict[str, np.ndarray]) -> LearnerState:
    """Returns the state with the file's tensors in the place of the expected ones."""
    found = []
    for name, leaf in _named_leaves(expected):
        if name not in tensors:
            raise CheckpointError(f"the tensor {name} is missing")
        tensor = tensors[name]
        if tensor.shape != leaf.shape or tensor.dtype != leaf.dtype:
            raise CheckpointError(
                f"the tensor {name} is {tensor.dtype}{list(tensor.shape)} and should be {leaf.dtype}{list(leaf.shape)}"
            )
        if np.issubdtype(tensor.dtype, np.floating) and not np.isfinite(tensor).all():
            raise CheckpointError(f"the tensor {name} holds values that are not finite")
        found.append(tensor)
    return jax.tree.unflatten(jax.tree.structure(expected), found)


def _sizes(vocabulary: Vocabulary) -> list[int]:
    return [len(vocabulary.states), len(vocabulary.actions), len(vocabulary.tasks)]


def _first_names(vocabulary: Vocabulary, states: int, actions: int, tasks: int) -> Vocabulary:
    return Vocabulary(vocabulary.states[:states], vocabulary.actions[:actions], vocabulary.tasks[:tasks])
