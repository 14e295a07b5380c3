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

import numpy as np
import safetensors
import safetensors.numpy

from .files import write_atomically
from .learning.config import TrainingConfig
from .learning.gate import PROPOSERS
from .learning.learner import Learner, Past, restore
from .ledger import Ledger
from .policy.architecture import Capacity
from .spaces.condition import Config
from .spaces.encoding import NO_ROOM, Encoding, Room, encode
from .spaces.problem import Problem, check_problems
from .spaces.schema import Json, space_from_json, space_to_json
from .spaces.vocabulary import Vocabulary
from .tensors import CheckpointError as CheckpointError
from .tensors import check_finite, parts_of, tensors_of

FORMAT = "transfernas-agent"
# The first version had no history, the second no ledger and no room, the third not who proposed its trials, the fourth
# no grades, and rewards in single precision.
VERSION = 5
T = TypeVar("T")


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
        ledger: the trials of others' records that it learned from.
        notes: what else its owner keeps there, as JSON.
    """

    learner: Learner
    name: str
    asked: int
    open_trials: tuple[SavedTrial, ...]
    restricted: tuple[int, ...]
    ledger: Ledger = dataclasses.field(default_factory=Ledger)
    notes: Json = None


def write_snapshot(path: Path, snapshot: Snapshot) -> Path:
    """Writes an agent's file under a temporary name and renames it, so that the path never holds half a file.

    Raises:
        ValueError: a tensor holds values that are not finite; what the path held stays.
    """
    tensors = {name: np.ascontiguousarray(leaf) for name, leaf in tensors_of(snapshot.learner).items()}
    for name, tensor in tensors.items():
        check_finite(name, tensor)
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
        snapshot = _from_json(_field(header, "agent", json.loads), dict(tensors), int(header["version"]))
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
        "room": list(learner.encoding.room),
        "ledger": snapshot.ledger.entries(),
    } | ({} if snapshot.notes is None else {"notes": snapshot.notes})


def _from_json(header: Json, tensors: dict[str, np.ndarray], version: int) -> Snapshot:
    config = _field(header, "config", lambda value: TrainingConfig(**value))
    spaces = _field(header, "spaces", lambda value: {space.name: space for space in map(space_from_json, value)})
    problems = _field(header, "problems", lambda value: tuple(Problem(spaces[s], t) for s, t in value))
    vocabulary = Vocabulary(
        states=_field(header, "states", _names),
        actions=_field(header, "actions", lambda value: tuple((state, kind, action) for state, kind, action in value)),
        tasks=_field(header, "tasks", _names),
    )
    room = _field(header, "room", lambda value: Room(*map(_power_of_two, value))) if version > 2 else NO_ROOM
    try:
        encoding = encode(check_problems(problems), vocabulary, room)
    except KeyError as error:
        raise CheckpointError(f"its header's fields states, actions and tasks lack the name {error}") from None
    capacity = _field(header, "capacity", lambda value: Capacity(*map(_whole, value)))
    state, history, queue, tally, gate, memory = parts_of(tensors, config, capacity, encoding, version)
    learner = restore(
        config=config,
        seed=_field(header, "seed", _whole),
        vocabulary=vocabulary,
        encoding=encoding,
        state=state,
        history=history,
        queue=queue,
        tally=tally,
        known=_field(header, "known", lambda value: None if value is None else _first_names(vocabulary, *value)),
        past=_field(header, "past", lambda value: tuple(_past(entry, len(tally.trials)) for entry in value)),
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
        ledger=_field(header, "ledger", Ledger) if version > 2 else Ledger(),
        notes=header.get("notes"),
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


def _power_of_two(value: Json) -> int:
    if _whole(value) < 1 or value & (value - 1) or value > 1 << 20:
        raise ValueError(f"{value!r} is no power of two from 1 to {1 << 20:,}")
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


def _one_of(what: str, count: int, value: Json) -> int:
    if _whole(value) >= count:
        raise ValueError(f"there is no {what} {value}")
    return _whole(value)


def _row(encoding: Encoding, value: Json) -> int:
    return _one_of("problem", len(encoding.problems), value)


def _past(value: Json, replicas: int) -> Past:
    space, task, trials = value
    if len(trials) != replicas:
        raise ValueError(f"{trials} are not the counts of {replicas} replicas")
    return Past(_name(space), _name(task), tuple(map(_whole, trials)))


def _saved_trial(encoding: Encoding, value: Json) -> SavedTrial:
    trial = SavedTrial(
        _whole(value["number"]),
        _row(encoding, value["row"]),
        value["config"],
        _one_of("proposer", PROPOSERS, value.get("member", 0)),
    )
    encoding.problems[trial.row].space.validate(trial.config)
    return trial


def _sizes(vocabulary: Vocabulary) -> list[int]:
    return [len(vocabulary.states), len(vocabulary.actions), len(vocabulary.tasks)]


def _first_names(vocabulary: Vocabulary, states: int, actions: int, tasks: int) -> Vocabulary:
    for count in (states, actions, tasks):
        _whole(count)
    return Vocabulary(vocabulary.states[:states], vocabulary.actions[:actions], vocabulary.tasks[:tasks])
