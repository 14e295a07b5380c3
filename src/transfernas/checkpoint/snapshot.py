"""The agent's file: a safetensors file with a JSON header, never a pickle.

The tensors are the learner's state, named by their paths. The header has the rest: vocabulary, problems, settings,
origin of the knowledge, and counts. With both, the agent continues bit for bit. `docs/reference/agent-file.md`
describes each field of the format.
"""

import dataclasses
import errno
import hashlib
import json
import math
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

import numpy as np
import safetensors
import safetensors.numpy

from ..fields import from_json, to_json
from ..files import close_file, holds_studies, write_atomically
from ..learning.archive import SIZE, ArchivedProblem
from ..learning.bandit import N_PROPOSERS, SURROGATE
from ..learning.config import TrainingConfig
from ..learning.failed_trials import MOST_FAILED, FailedTrial
from ..learning.learner import Learner, PastProblem, restore
from ..policy.architecture import Capacity
from ..spaces.choice import Choice
from ..spaces.condition import Config, to_builtin
from ..spaces.encoding import Encoding, encode, put_numbers
from ..spaces.problem import Problem, check_problems
from ..spaces.schema import Json, choice_from_json, choice_to_json, space_from_json, space_to_json
from ..spaces.tables import MinShapes
from ..spaces.vocabulary import Vocabulary
from .archive_tensors import archive_of
from .header_values import (
    distinct,
    read_count,
    read_name,
    read_names,
    read_one_of,
    read_power_of_two,
    read_share,
    read_whole,
)
from .processed_trials import ProcessedTrials
from .tensor_checks import CheckpointError as CheckpointError
from .tensor_checks import check_finite
from .tensors import parts_of, replicas_of, tensors_of, widened

FORMAT = "transfernas-agent"
VERSION = 1
# The types of the format that NumPy has too.
_DTYPES = frozenset(("F64", "F32", "F16", "I64", "I32", "I16", "I8", "U64", "U32", "U16", "U8", "BOOL"))
_MOST_AXES = 8
_MOST_ENTRIES = 1 << 48
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class SavedTrial:
    """A trial that was open when the agent was saved; `row` is that of the problem."""

    number: int
    row: int
    config: Config
    proposer: int


@dataclass(frozen=True, slots=True)
class Snapshot:
    """Content of an agent's file.

    Attributes:
        learner: The learner; an agent is a single replica, and an experiment has several.
        name: Identifier of the agent, which its trials carry.
        asked: Number of trials that the agent has proposed.
        open_trials: Trials that are not told yet.
        restricted: Rows of the problems with a function `valid`, which the file does not hold.
        processed: Trials of other records that the agent has learned from.
        notes: Further JSON data of the program that saves the agent.
        keyed: Rows of the problems with a function `key`, which the file does not hold either.
    """

    learner: Learner
    name: str
    asked: int
    open_trials: tuple[SavedTrial, ...]
    restricted: tuple[int, ...]
    processed: ProcessedTrials = dataclasses.field(default_factory=ProcessedTrials)
    notes: Json = None
    keyed: tuple[int, ...] = ()


def write_snapshot(path: Path, snapshot: Snapshot) -> Path:
    """Writes an agent's file whole or not at all; two files of the same snapshot have the same bytes.

    Returns:
        The path.

    Raises:
        CheckpointError: A tensor holds values that are not finite; an existing file stays.
        OSError: The file cannot be written.
    """
    tensors = {name: np.ascontiguousarray(leaf) for name, leaf in tensors_of(snapshot.learner).items()}
    for name, tensor in tensors.items():
        check_finite(name, tensor)
    text = json.dumps(_to_json(snapshot))
    header = {"format": FORMAT, "version": str(VERSION), "agent": text}
    header["sha256"] = _checksum(header, tensors)
    write_atomically(path, _sorted(safetensors.numpy.save(tensors, header)))
    return path


def read_snapshot(path: Path) -> Snapshot:
    """Reads an agent's file.

    Raises:
        CheckpointError: The file is damaged, foreign or of another version; the message names the field or tensor.
        FileNotFoundError: There is no such file.
        IsADirectoryError: The path is a folder or a device.
    """
    if not path.exists():
        close = close_file(path)
        hint = "agents and samplers write one by save()" if close is None else f"did you mean {str(close)!r}?"
        raise FileNotFoundError(errno.ENOENT, f"There is no such agent's file; {hint}", str(path))
    if not path.is_file():
        kind = "folder" if path.is_dir() else "device"
        raise IsADirectoryError(errno.EISDIR, f"A {kind} is not an agent's file", str(path))
    try:
        with safetensors.safe_open(path, framework="numpy") as file:
            header = file.metadata() or {}
            _check_header(path, header)
            tensors = {name: _tensor(path, file, name) for name in file.keys()}  # noqa: SIM118  (no mapping)
    except (safetensors.SafetensorError, UnicodeDecodeError) as error:
        if holds_studies(path):
            raise CheckpointError(
                f"{path} holds studies, not an agent: `transfernas report {path}` shows them, and `transfernas "
                f"pretrain --storage {path} --out agent.safetensors` makes an agent of them"
            ) from None
        raise CheckpointError(
            f"{path} is damaged or is not a safetensors file, as agents and samplers write by save(): {error}"
        ) from None
    try:
        snapshot = _from_json(_field(header, "agent", json.loads), dict(tensors))
        # Last, because the other checks name the damage; the checksum finds a flipped bit that they cannot find.
        if header.get("sha256") != _checksum(header, tensors):
            raise CheckpointError("its checksum does not match its content")
        return snapshot
    except CheckpointError as error:
        raise CheckpointError(f"{path} is damaged: {error}") from None
    except (LookupError, TypeError, ValueError, AttributeError, ArithmeticError, RecursionError) as error:
        raise CheckpointError(f"{path} is damaged: its header cannot be read: {error!r}") from None


def _check_header(path: Path, header: dict[str, str]) -> None:
    if (name := header.get("format")) != FORMAT:
        its = "it says no format" if name is None else f"its format is {name!r}"
        raise CheckpointError(f"{path} is a safetensors file, but not an agent's: {its}, and an agent's is {FORMAT!r}")
    version = header.get("version", "")
    if version != str(VERSION):
        raise CheckpointError(
            f"{path} has format version {version:.20}; this version of transfernas reads version {VERSION}: upgrade it"
        )


def _tensor(path: Path, file: safetensors.safe_open, name: str) -> np.ndarray:
    """Reads a tensor of a type and a shape that an agent may have."""
    about = file.get_slice(name)  # type: ignore[no-untyped-call]
    dtype, shape = about.get_dtype(), about.get_shape()
    # A tensor with an axis of length 0 may have other axes of any length, which NumPy might refuse.
    if dtype not in _DTYPES or len(shape) > _MOST_AXES or math.prod(max(size, 1) for size in shape) > _MOST_ENTRIES:
        shown = f"{dtype}{shape}"
        raise CheckpointError(f"{path} is damaged: the tensor {name} is {shown:.100}, which no agent has")
    return file.get_tensor(name)  # type: ignore[no-untyped-call]


def _sorted(content: bytes) -> bytes:
    """Returns a safetensors file with a sorted header, because the library writes the metadata in any order."""
    size = int.from_bytes(content[:8], "little")
    header = json.dumps(json.loads(content[8 : 8 + size]), sort_keys=True, separators=(",", ":")).encode()
    header += b" " * (-len(header) % 8)  # so that the tensors are aligned
    return len(header).to_bytes(8, "little") + header + content[8 + size :]


def _checksum(header: dict[str, str], tensors: dict[str, np.ndarray]) -> str:
    digest = hashlib.sha256(f"{header['version']}\n{header['agent']}".encode())
    for name in sorted(tensors):
        tensor = tensors[name]
        digest.update(f"{name} {tensor.dtype} {tensor.shape}".encode() + np.ascontiguousarray(tensor).tobytes())
    return digest.hexdigest()


def _to_json(snapshot: Snapshot) -> Json:
    learner = snapshot.learner
    spaces = {problem.space.name: space_to_json(problem.space) for problem in learner.encoding.problems}
    return {
        "name": snapshot.name,
        "asked": snapshot.asked,
        "open_trials": [dataclasses.asdict(trial) for trial in snapshot.open_trials],
        "restricted": list(snapshot.restricted),
        "keyed": list(snapshot.keyed),
        "config": to_json(learner.config),
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
        "min_shapes": list(learner.encoding.min_shapes),
        "failed": [_failed_to_json(learner, one) for one in learner.failed],
        "processed": snapshot.processed.entries(),
        "archive": {"trials": learner.archived_at} | _archive_to_json(learner.archive),
        "notes": snapshot.processed.noted(snapshot.notes),
    }


def _from_json(header: Json, tensors: dict[str, np.ndarray]) -> Snapshot:
    config = _field(header, "config", lambda value: from_json(TrainingConfig, value))
    spaces = _field(header, "spaces", lambda value: {space.name: space for space in map(space_from_json, value)})
    problems = _field(header, "problems", lambda value: tuple(Problem(spaces[s], t) for s, t in value))
    vocabulary = Vocabulary(
        states=_field(header, "states", read_names),
        actions=_field(
            header, "actions", lambda value: distinct((state, kind, to_builtin(a)) for state, kind, a in value)
        ),
        tasks=_field(header, "tasks", read_names),
    )
    min_shapes = _field(header, "min_shapes", lambda value: MinShapes(*map(read_power_of_two, value)))
    try:
        encoding = encode(check_problems(problems), vocabulary, min_shapes)
    except KeyError as error:
        raise CheckpointError(f"its header's fields states, actions and tasks lack the name {error}") from None
    capacity = _field(header, "capacity", lambda value: _capacity(value, vocabulary, min_shapes))
    learned = _field(header, "learned", read_count)
    archived = _field(header, "archive", _archived_problems)
    archived_at = _field(header, "archive", lambda value: read_one_of("trial", learned + 1, value["trials"]))
    tensors = widened(tensors)
    archive = archive_of(tensors, archived, replicas_of(tensors))
    state, replay, queue, trial_stats, bandit, warm_start = parts_of(tensors, config, capacity, encoding)
    asked = _field(header, "asked", read_count)
    known = _field(header, "known", lambda value: None if value is None else _first_names(vocabulary, value))
    seed = _field(header, "seed", read_whole)
    learner = dataclasses.replace(
        restore(config, seed, vocabulary, encoding, state, replay, queue, trial_stats, known),
        past=_field(header, "past", lambda value: tuple(_past(entry, len(trial_stats.trials)) for entry in value)),
        sampled=_field(header, "sampled", read_count),
        learned=learned,
        acceptance=_field(header, "acceptance", read_share),
        bandit=bandit,
        warm_start=warm_start,
        archive=archive,
        archived_at=archived_at,
        failed=_field(header, "failed", lambda value: _failed_trials(encoding, len(trial_stats.trials), value)),
    )
    processed = _field(header, "processed", ProcessedTrials)
    return Snapshot(
        learner=learner,
        name=_field(header, "name", read_name),
        asked=asked,
        open_trials=_field(header, "open_trials", lambda value: _saved_trials(encoding, asked, value)),
        restricted=_field(header, "restricted", lambda value: tuple(_row(encoding, row) for row in value)),
        processed=processed,
        notes=_field(header, "notes", processed.read_notes),
        keyed=_field(header, "keyed", lambda value: tuple(_row(encoding, row) for row in value)),
    )


def _field(header: Json, name: str, read: Callable[[Json], T]) -> T:
    """Returns the value of a field of the header.

    Raises:
        CheckpointError: The header lacks the field, or the field cannot be read; the message names the field.
    """
    if not isinstance(header, dict):
        raise CheckpointError(f"its header cannot be read: it is {header!r}")
    if name not in header:
        raise CheckpointError(f"its header lacks the field {name!r}")
    try:
        return read(header[name])
    except (LookupError, TypeError, ValueError, AttributeError, ArithmeticError) as error:
        raise CheckpointError(f"its header cannot be read: field {name}: {error}") from None


def _row(encoding: Encoding, value: Json) -> int:
    return read_one_of("problem", len(encoding.problems), value)


def _past(value: Json, replicas: int) -> PastProblem:
    space, task, trials = value
    if len(trials) != replicas:
        raise ValueError(f"{trials} are not the counts of {replicas} replicas")
    return PastProblem(read_name(space), read_name(task), tuple(map(read_whole, trials)))


def _saved_trials(encoding: Encoding, asked: int, value: Json) -> tuple[SavedTrial, ...]:
    trials = tuple(_saved_trial(encoding, asked, each) for each in value)
    if len({trial.number for trial in trials}) < len(trials):
        raise ValueError("a trial is there twice")
    return trials


def _saved_trial(encoding: Encoding, asked: int, value: Json) -> SavedTrial:
    trial = SavedTrial(
        read_one_of("trial", asked, value["number"]),
        _row(encoding, value["row"]),
        value["config"],
        _proposer(value["proposer"]),
    )
    encoding.problems[trial.row].space.validate(trial.config)
    return trial


def _proposer(value: Json) -> int:
    if type(value) is not int or not SURROGATE <= value < N_PROPOSERS:
        raise ValueError(f"there is no proposer {value}")
    return value


def _failed_to_json(learner: Learner, failed: FailedTrial) -> Json:
    """Returns a failed trial of each replica as JSON: the row of the problem, and the configuration."""
    encoding, rows = learner.encoding, failed.problem.tolist()
    configs = [encoding.config(row, failed.trajectory.at(at)) for at, row in enumerate(rows)]
    triples = zip(rows, configs, failed.numbers, strict=True)
    return [[row, put_numbers(encoding.problems[row].space.choices, config, its)] for row, config, its in triples]


def _failed_trials(encoding: Encoding, replicas: int, value: Json) -> tuple[FailedTrial, ...]:
    if len(value) > MOST_FAILED or any(len(each) != replicas for each in value):
        raise ValueError(f"there are more than {MOST_FAILED} trials, or not one for each of {replicas} replicas")
    found = list[FailedTrial]()
    for each in value:
        rows = [_row(encoding, row) for row, _ in each]
        configs = [encoding.ordered(row, config) for row, (_, config) in zip(rows, each, strict=True)]
        numbers = np.array([encoding.numbers(row, config) for row, config in zip(rows, configs, strict=True)])
        found.append(FailedTrial(np.array(rows, np.int32), encoding.sequences(rows, configs), numbers))
    return tuple(found)


def _archive_to_json(archive: tuple[ArchivedProblem, ...]) -> Json:
    """Returns the problems of an archive as JSON; problems with the same choices share a list of choices."""
    spaces: dict[tuple[Choice, ...], int] = {}
    problems = [
        [entry.space, entry.task, spaces.setdefault(entry.choices, len(spaces)), entry.action_indices.shape[1]]
        for entry in archive
    ]
    return {"choices": [list(map(choice_to_json, choices)) for choices in spaces], "problems": problems}


def _archived_problems(value: Json) -> tuple[tuple[str, str, tuple[Choice, ...], int], ...]:
    spaces = [tuple(map(choice_from_json, choices)) for choices in value["choices"]]
    found = tuple(
        (
            read_name(space),
            read_name(task),
            spaces[read_one_of("list of choices", len(spaces), which)],
            read_whole(size),
        )
        for space, task, which, size in value["problems"]
    )
    for _, _, choices, size in found:
        distinct(choice.name for choice in choices)
        if not 1 <= size <= SIZE:
            raise ValueError(f"{size} trials of a problem are not from 1 to {SIZE}")
    distinct((space, task) for space, task, *_ in found)
    return found


def _sizes(vocabulary: Vocabulary) -> list[int]:
    return [len(vocabulary.states), len(vocabulary.actions), len(vocabulary.tasks)]


def _first_names(vocabulary: Vocabulary, value: Json) -> Vocabulary:
    sizes = zip(_sizes(vocabulary), value, strict=True)
    states, actions, tasks = (read_one_of("name", size + 1, count) for size, count in sizes)
    return Vocabulary(vocabulary.states[:states], vocabulary.actions[:actions], vocabulary.tasks[:tasks])


def _capacity(value: Json, vocabulary: Vocabulary, min_shapes: MinShapes) -> Capacity:
    """Returns the numbers of rows of the network's tables, which must be enough for all names."""
    capacity = Capacity(*map(read_power_of_two, value))
    least = [
        max(pair)
        for pair in zip(_sizes(vocabulary), (min_shapes.states, min_shapes.names, min_shapes.tasks), strict=True)
    ]
    if any(found < needed for found, needed in zip(capacity, least, strict=False)):
        raise ValueError(f"{list(capacity)} is less than the {least} that its names take")
    return capacity
