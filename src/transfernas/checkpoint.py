"""The agent's file: one safetensors file with a JSON header, never a pickle.

The tensors are the learner's state, named by their place in it. The header says everything else: vocabulary, problems,
hyperparameters, where the knowledge comes from, counts. Together they are all that
the agent needs to go on bit for bit.
"""

import dataclasses
import hashlib
import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

import jax
import numpy as np
import safetensors
import safetensors.numpy

from .files import write_atomically
from .learning.config import TrainingConfig
from .learning.gate import POLICIES, PROPOSERS, Gate
from .learning.history import History
from .learning.learner import Learner, Past, restore
from .learning.memory import Memory, empty_memory
from .learning.queue import Queue
from .learning.steps import LearnerState, init_state
from .policy.architecture import Capacity
from .policy.networks import NETWORKS
from .spaces.condition import Config
from .spaces.encoding import Encoding, Trajectory, encode
from .spaces.problem import Problem, check_problems
from .spaces.schema import Json, space_from_json, space_to_json
from .spaces.vocabulary import Vocabulary

FORMAT = "transfernas-agent"
VERSION = 2  # the first had no history
_HISTORY, _GATE, _MEMORY = "history.", "gate.", "memory."
T = TypeVar("T")


class CheckpointError(ValueError):
    """A file that is no agent, or not one that this version can read."""


@dataclass(frozen=True, slots=True)
class SavedTrial:
    """A trial that was asked and not told when the agent was saved."""

    number: int
    row: int
    config: Config
    member: int = 0


@dataclass(frozen=True, slots=True)
class Snapshot:
    """What an agent's file holds.

    Attributes:
        learner: the learner; an agent is one replica, an experiment keeps many.
        name: the agent's name, by which its trials know it.
        asked: how many trials it has asked for.
        open_trials: those that were not told yet.
        restricted: rows of the problems that have a function `valid`, which the file does not hold.
    """

    learner: Learner
    name: str
    asked: int
    open_trials: tuple[SavedTrial, ...]
    restricted: tuple[int, ...]


def write_snapshot(path: Path, snapshot: Snapshot) -> Path:
    """Writes an agent's file under a temporary name and renames it, so that the path never holds half a file.

    Raises:
        ValueError: a tensor holds values that are not finite; what the path held stays.
    """
    tensors = {name: np.ascontiguousarray(leaf) for name, leaf in _tensors(snapshot.learner).items()}
    for name, tensor in tensors.items():
        _check_finite(name, tensor)
    text = json.dumps(_to_json(snapshot))
    header = {"format": FORMAT, "version": str(VERSION), "agent": text, "sha256": _checksum(text, tensors)}
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
        snapshot = _from_json(_field(header, "agent", json.loads), dict(tensors))
        # Last, so that what can be named is named; this finds a flipped bit that leaves everything plausible.
        if header.get("sha256") != _checksum(header["agent"], tensors):
            raise CheckpointError("its checksum is not that of its content")
        return snapshot
    except CheckpointError as error:
        raise CheckpointError(f"{path} is damaged: {error}") from None
    except (LookupError, TypeError, ValueError, AttributeError, ArithmeticError, RecursionError) as error:
        raise CheckpointError(f"{path} is damaged: its header can not be read: {error!r}") from None


def _check_header(path: Path, header: dict[str, str]) -> None:
    if header.get("format") != FORMAT:
        raise CheckpointError(f"{path} is a safetensors file, but no agent: its format is {header.get('format')!r}")
    version = header.get("version", "")
    if not version.isdecimal() or int(version) > VERSION:
        raise CheckpointError(
            f"{path} has format version {version}; this version of transfernas reads up to {VERSION}: upgrade it"
        )


def _tensors(learner: Learner) -> dict[str, np.ndarray]:
    """Returns everything of a learner that is kept as tensors, by name."""
    tensors = dict(_named_leaves(learner.state))
    history, count = learner.history, learner.history.count
    told = {"problem": history.problem, "reward": history.reward, **history.trials._asdict()}
    tensors |= {_HISTORY + name: array[:, :count] for name, array in told.items()}
    if learner.gate is not None:
        tensors |= {_GATE + "count": learner.gate.count, _GATE + "total": learner.gate.total}
    if learner.memory is not None:
        told = {"count": learner.memory.count, "taken": learner.memory.taken, **learner.memory.trials._asdict()}
        tensors |= {_MEMORY + name: array for name, array in told.items()}
    return tensors


def _named_leaves(state: LearnerState) -> list[tuple[str, np.ndarray]]:
    leaves, _ = jax.tree_util.tree_flatten_with_path(state)
    return [(jax.tree_util.keystr(path).lstrip("."), np.asarray(leaf)) for path, leaf in leaves]


def _history(tensors: dict[str, np.ndarray], replicas: int, encoding: Encoding) -> History:
    """Takes the history out of the tensors; the first version of the format had none.

    Raises:
        CheckpointError: it is not one of trials of the problems.
    """
    history = History.empty(replicas, encoding.steps)
    if _HISTORY + "reward" not in tensors:
        return history
    reward = tensors[_HISTORY + "reward"]
    count = reward.shape[-1] if reward.ndim else 0
    most = {"problem": len(encoding.problems) - 1, **_largest(encoding)}
    _check_shape(_HISTORY + "reward", tensors, (replicas, count), np.dtype(np.float64))
    _check_finite(_HISTORY + "reward", reward)
    for name, limit in most.items():
        steps = (encoding.steps,) if name in ("decisions", "actions") else ()
        _check_shape(_HISTORY + name, tensors, (replicas, count, *steps), np.dtype(np.int32))
        _check_limits(_HISTORY + name, tensors[_HISTORY + name], limit)
    told = {name: tensors.pop(_HISTORY + name) for name in (*most, "reward")}
    problem = told.pop("problem")
    told.pop("reward")
    trials = Trajectory(**told)
    for trial in range(count):
        history = history.appended(
            problem[:, trial], jax.tree.map(lambda leaf, at=trial: leaf[:, at], trials), reward[:, trial]
        )
    return history


def _memory(tensors: dict[str, np.ndarray], replicas: int, size: int, encoding: Encoding) -> Memory:
    """Takes the memory out of the tensors.

    Raises:
        CheckpointError: it is not one of trials of the problems.
    """
    problems, choices = len(encoding.tables.task), encoding.tables.rules.decision.shape[1]
    memory = empty_memory(replicas, problems, size, encoding.steps, choices)
    most = {"count": size, "taken": encoding.tables.decisions.available.shape[1], **_largest(encoding)}
    expected = {"count": memory.count, "taken": memory.taken, **memory.trials._asdict()}
    for name, like in expected.items():
        _check_shape(_MEMORY + name, tensors, like.shape, like.dtype)
        _check_limits(_MEMORY + name, tensors[_MEMORY + name], most[name])
    found = {name: tensors.pop(_MEMORY + name) for name in expected}
    return Memory(found.pop("count"), taken=found.pop("taken"), trials=Trajectory(**found))


def _gate(tensors: dict[str, np.ndarray], rows: int, encoding: Encoding) -> Gate | None:
    """Takes the gate out of the tensors, if there is one.

    Raises:
        CheckpointError: it is not one of so many policies and the problems.
    """
    if not any(name.startswith(_GATE) for name in tensors):
        return None
    if rows % POLICIES:
        raise CheckpointError(f"there is a gate, but {rows} policies are no pairs")
    for name in (_GATE + "count", _GATE + "total"):
        _check_shape(name, tensors, (rows // POLICIES, len(encoding.tables.task), PROPOSERS), np.dtype(np.float64))
        _check_finite(name, tensors[name])
        if tensors[name].min() < 0:
            raise CheckpointError(f"the tensor {name} holds values below 0")
    return Gate(tensors.pop(_GATE + "count"), tensors.pop(_GATE + "total"))


def _checksum(text: str, tensors: dict[str, np.ndarray]) -> str:
    digest = hashlib.sha256(text.encode())
    for name in sorted(tensors):
        digest.update(name.encode() + np.ascontiguousarray(tensors[name]).tobytes())
    return digest.hexdigest()


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


def _from_json(header: Json, tensors: dict[str, np.ndarray]) -> Snapshot:
    config = _field(header, "config", lambda value: TrainingConfig(**value))
    spaces = _field(header, "spaces", lambda value: {space.name: space for space in map(space_from_json, value)})
    problems = _field(header, "problems", lambda value: tuple(Problem(spaces[s], t) for s, t in value))
    vocabulary = Vocabulary(
        states=_field(header, "states", _names),
        actions=_field(header, "actions", lambda value: tuple((state, kind, action) for state, kind, action in value)),
        tasks=_field(header, "tasks", _names),
    )
    try:
        encoding = encode(check_problems(problems), vocabulary)
    except KeyError as error:
        raise CheckpointError(f"its header's fields states, actions and tasks lack the name {error}") from None
    capacity = _field(header, "capacity", lambda value: Capacity(*map(_whole, value)))
    rows = _check_sizes(config, capacity, tensors)
    expected = init_state(np.random.default_rng(0), rows, capacity, config, len(encoding.tables.task), encoding.steps)
    gate = _gate(tensors, rows, encoding)
    replicas = rows if gate is None else rows // POLICIES
    history = _history(tensors, replicas, encoding)
    memory = None if gate is None else _memory(tensors, replicas, config.memory, encoding)
    state = _filled(expected, tensors)
    _check_queue(state.queue, encoding)
    learner = restore(
        config=config,
        seed=_field(header, "seed", _whole),
        vocabulary=vocabulary,
        encoding=encoding,
        state=state,
        history=history,
        known=_field(header, "known", lambda value: None if value is None else _first_names(vocabulary, *value)),
        past=_field(header, "past", lambda value: tuple(_past(entry, replicas) for entry in value)),
        sampled=_field(header, "sampled", _whole),
        learned=_field(header, "learned", _whole),
        acceptance=_field(header, "acceptance", _share),
        gate=gate,
        memory=memory,
    )
    return Snapshot(
        learner=learner,
        name=_field(header, "name", _name),
        asked=_field(header, "asked", _whole),
        open_trials=_field(header, "open_trials", lambda value: tuple(_saved_trial(encoding, each) for each in value)),
        restricted=_field(header, "restricted", lambda value: tuple(_row(encoding, row) for row in value)),
    )


def _field(header: Json, name: str, read: Callable[[Json], T]) -> T:
    """Returns what a field of the header says.

    Raises:
        CheckpointError: the header lacks the field, or it can not be read; the message names it.
    """
    if not isinstance(header, dict):
        raise CheckpointError(f"its header can not be read: it is {header!r}")
    if name not in header:
        raise CheckpointError(f"its header lacks the field {name!r}")
    try:
        return read(header[name])
    except (LookupError, TypeError, ValueError, AttributeError, ArithmeticError) as error:
        raise CheckpointError(f"its header can not be read: field {name}: {error}") from None


def _whole(value: Json) -> int:
    if type(value) is not int or value < 0:
        raise ValueError(f"{value!r} is no whole number of at least 0")
    return value


def _share(value: Json) -> float:
    if type(value) is not float or not 0 <= value <= 1:
        raise ValueError(f"{value!r} is no number from 0 to 1")
    return value


def _name(value: Json) -> str:
    if not isinstance(value, str):
        raise TypeError(f"{value!r} is no name")
    return value


def _names(value: Json) -> tuple[str, ...]:
    return tuple(map(_name, value))


def _row(encoding: Encoding, value: Json) -> int:
    if _whole(value) >= len(encoding.problems):
        raise ValueError(f"there is no problem {value}")
    return _whole(value)


def _past(value: Json, replicas: int) -> Past:
    space, task, trials = value
    if len(trials) != replicas:
        raise ValueError(f"{trials} are not the counts of {replicas} replicas")
    return Past(_name(space), _name(task), tuple(map(_whole, trials)))


def _saved_trial(encoding: Encoding, value: Json) -> SavedTrial:
    trial = SavedTrial(
        _whole(value["number"]), _row(encoding, value["row"]), value["config"], _whole(value.get("member", 0))
    )
    encoding.problems[trial.row].space.validate(trial.config)
    return trial


def _filled(expected: LearnerState, tensors: dict[str, np.ndarray]) -> LearnerState:
    """Returns the state with the file's tensors in the place of the expected ones."""
    found, leaves = [], _named_leaves(expected)
    unknown = sorted(tensors.keys() - dict(leaves).keys())
    if unknown:
        raise CheckpointError(f"the tensor {unknown[0]} is none that the header's hyperparameters have")
    for name, leaf in leaves:
        _check_shape(name, tensors, leaf.shape, leaf.dtype)
        _check_finite(name, tensors[name])
        found.append(tensors[name])
    return jax.tree.unflatten(jax.tree.structure(expected), found)


def _check_finite(name: str, tensor: np.ndarray) -> None:
    if np.issubdtype(tensor.dtype, np.floating) and not np.isfinite(tensor).all():
        raise CheckpointError(f"the tensor {name} holds values that are not finite")


def _check_sizes(config: TrainingConfig, capacity: Capacity, tensors: dict[str, np.ndarray]) -> int:
    """Checks what sizes the header says against the tensors, before anything of those sizes is made.

    Returns:
        The number of policies.
    """
    float32 = np.dtype(np.float32)
    replicas = len(tensors["baseline"]) if tensors.get("baseline", np.zeros(())).ndim else 1
    if replicas == 0:
        raise CheckpointError("the tensor baseline holds no replica")
    said: dict[str, tuple[int, ...]] = {
        "policy.state": (replicas, capacity.states, config.embedding_size),
        "policy.action": (replicas, capacity.actions, config.embedding_size),
        "policy.task": (replicas, capacity.tasks, config.embedding_size),
    }
    shapes = NETWORKS[config.network].shapes(capacity, config)
    said |= {f"policy.{name}": (replicas, *shape) for name, shape in shapes.items()}
    for name, shape in said.items():
        _check_shape(name, tensors, shape, float32)
    if "queue.reward" in tensors:
        _check_shape("queue.reward", tensors, (*tensors["queue.reward"].shape[:2], config.queue_size), float32)
    return replicas


def _check_shape(name: str, tensors: dict[str, np.ndarray], shape: tuple[int, ...], dtype: np.dtype) -> None:
    if name not in tensors:
        raise CheckpointError(f"the tensor {name} is missing")
    found = tensors[name]
    if found.shape != shape or found.dtype != dtype:
        raise CheckpointError(
            f"the tensor {name} is {found.dtype}{list(found.shape)} and should be {dtype}{list(shape)}"
        )


def _check_queue(queue: Queue, encoding: Encoding) -> None:
    """Checks that a queue holds trials of the problems."""
    _check_limits("queue.filled", queue.filled, queue.reward.shape[-1])
    for name, most in _largest(encoding).items():
        _check_limits(f"queue.trials.{name}", getattr(queue.trials, name), most)


def _largest(encoding: Encoding) -> dict[str, int]:
    """Returns the largest value that each field of a trajectory can have."""
    decisions, actions = encoding.tables.decisions.available.shape
    task = int(encoding.tables.task.max())
    return {"task": task, "decisions": decisions - 1, "actions": actions - 1, "length": encoding.steps}


def _check_limits(name: str, tensor: np.ndarray, most: int) -> None:
    if tensor.size and (tensor.min() < 0 or tensor.max() > most):
        raise CheckpointError(f"the tensor {name} holds values that are not from 0 to {most}")


def _sizes(vocabulary: Vocabulary) -> list[int]:
    return [len(vocabulary.states), len(vocabulary.actions), len(vocabulary.tasks)]


def _first_names(vocabulary: Vocabulary, states: int, actions: int, tasks: int) -> Vocabulary:
    for count in (states, actions, tasks):
        _whole(count)
    return Vocabulary(vocabulary.states[:states], vocabulary.actions[:actions], vocabulary.tasks[:tasks])
