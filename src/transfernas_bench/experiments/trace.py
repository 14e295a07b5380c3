"""Records of the trials of a search, and the incumbents that follow.

Shapes: `replicas` run in lockstep, `trials` is their length, `choices` the number of choices of a space, `problems` the
number of problems of the search.
"""

import dataclasses
import hashlib
import io
import json
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float, Int

from transfernas.checkpoint.snapshot import CheckpointError
from transfernas.files import write_atomically

_CHECKSUM = 64  # hexadecimal digits


@dataclass(frozen=True, slots=True)
class Trace:
    """Record of a search.

    Attributes:
        problem: Shape `[replicas, trials]`, row of the problem.
        action_indices: Shape `[replicas, trials, choices]`, position of the action of each choice.
        reward: Shape `[replicas, trials]`, reward that the searcher was told.
        value: Shape `[replicas, trials]`, reward without noise.
        incumbent: Shape `[replicas, trials]`, the trial with the best reward so far on the problem of this trial.
        noise: State of the rewards' generator after the last trial, as JSON.
        interrupted: Whether the search stopped before its last trial.
    """

    problem: Int[np.ndarray, "replicas trials"]
    action_indices: Int[np.ndarray, "replicas trials choices"]
    reward: Float[np.ndarray, "replicas trials"]
    value: Float[np.ndarray, "replicas trials"]
    incumbent: Int[np.ndarray, "replicas trials"]
    noise: str
    interrupted: bool = False

    @property
    def trials(self) -> int:
        """Number of trials."""
        return self.reward.shape[1]

    @property
    def values(self) -> Float[np.ndarray, "replicas trials"]:
        """Noise-free value of the incumbent after each trial."""
        return np.take_along_axis(self.value, self.incumbent, axis=1)

    @property
    def incumbents(self) -> Int[np.ndarray, "replicas trials choices"]:
        """Action positions of the incumbent after each trial."""
        return np.take_along_axis(self.action_indices, self.incumbent[..., None], axis=1)

    def write(self, path: Path) -> None:
        """Writes the record as an `.npz`, whole or not at all; the comment of the archive is a checksum of the rest."""
        write_arrays(path, dataclasses.asdict(self))

    @classmethod
    def read(cls, path: Path) -> "Trace":
        """Reads a record.

        Raises:
            CheckpointError: The file is damaged.
            FileNotFoundError: There is no such file.
        """
        arrays = read_arrays(path)
        scalars = {"noise": str(arrays["noise"]), "interrupted": bool(arrays["interrupted"])}
        return cls(**{**arrays, **scalars})


def write_arrays(path: Path, arrays: Mapping[str, Any]) -> None:
    """Writes arrays as an `.npz`, whole or not at all; the comment of the archive is a checksum of the rest.

    Args:
        path: Path of the file.
        arrays: Arrays, numbers and texts by name.
    """
    content = io.BytesIO()
    np.savez_compressed(content, **arrays)
    with zipfile.ZipFile(content, "a") as archive:
        archive.comment = bytes(_CHECKSUM)
    whole = content.getvalue()[:-_CHECKSUM]
    write_atomically(path, whole + _checksum(whole))


def read_arrays(path: Path) -> dict[str, Any]:
    """Reads the arrays of a file from `write_arrays`.

    Raises:
        CheckpointError: The file is damaged.
        FileNotFoundError: There is no such file.
    """
    content = path.read_bytes()
    if content[-_CHECKSUM:] != _checksum(content[:-_CHECKSUM]):
        raise CheckpointError(
            f"{path} is damaged: its checksum does not match its content; remove {path.parent} to run that search "
            "afresh"
        )
    with np.load(io.BytesIO(content), allow_pickle=False) as file:
        return {name: file[name] for name in file.files}


def _checksum(content: bytes) -> bytes:
    return hashlib.sha256(content).hexdigest().encode()


class TraceRecorder:
    """Collects the trials of a record."""

    def __init__(self, problems: int, rng: np.random.Generator, start: Trace | None = None) -> None:
        """Begins a record, or continues an earlier record.

        Args:
            problems: Number of problems.
            rng: Generator of the rewards' noise, which is set to its state at the end of `start`.
            start: Record to continue; None for a new record.
        """
        self._rng, self._problems = rng, problems
        self._rows: list[tuple[np.ndarray, ...]] = []
        self._best: tuple[np.ndarray, np.ndarray] | None = None
        if start is not None and start.trials:
            rng.bit_generator.state = _arrays(json.loads(start.noise))
            for trial in range(start.trials):
                columns = (start.problem, start.action_indices, start.reward, start.value)
                self.add(*(column[:, trial] for column in columns))

    @property
    def trials(self) -> int:
        """Number of trials so far."""
        return len(self._rows)

    @property
    def best(self) -> float:
        """Mean over the replicas of the value of the incumbents after the last trial."""
        *_, incumbent = self._rows[-1]
        return float(np.mean([self._rows[trial][3][replica] for replica, trial in enumerate(incumbent)]))

    def add(
        self,
        problem: Int[np.ndarray, "replicas"],
        action_indices: Int[np.ndarray, "replicas choices"],
        reward: Float[np.ndarray, "replicas"],
        value: Float[np.ndarray, "replicas"],
    ) -> None:
        """Adds a trial of each replica."""
        rows = np.arange(len(problem))
        if self._best is None:
            shape = (len(problem), self._problems)
            self._best = np.full(shape, -np.inf), np.zeros(shape, np.int32)
        best_reward, best_trial = self._best
        better = rows[reward > best_reward[rows, problem]]
        best_reward[better, problem[better]] = reward[better]
        best_trial[better, problem[better]] = self.trials
        self._rows.append((problem, action_indices.astype(np.int16), reward, value, best_trial[rows, problem]))

    def trace(self, interrupted: bool = False) -> Trace:
        """Returns the record of all trials so far."""
        noise = json.dumps(_lists(self._rng.bit_generator.state))
        if not self._rows:
            whole, real = np.zeros((0, 0), np.int32), np.zeros((0, 0))
            return Trace(whole, np.zeros((0, 0, 0), np.int16), real, real, whole, noise, interrupted)
        problem, action_indices, reward, value, incumbent = (
            np.stack(column, axis=1) for column in zip(*self._rows, strict=True)
        )
        return Trace(problem, action_indices, reward, value, incumbent, noise, interrupted)


def _lists(state: object) -> object:
    """Returns the state of a generator with lists in place of arrays."""
    if isinstance(state, dict):
        return {name: _lists(value) for name, value in state.items()}
    return state.tolist() if isinstance(state, np.ndarray) else state


def _arrays(state: dict[str, object]) -> dict[str, object]:
    """Returns the state of a generator with arrays in place of lists."""
    found = {}
    for name, value in state.items():
        found[name] = _arrays(value) if isinstance(value, dict) else value
        if isinstance(value, list):
            found[name] = np.array(value, np.uint64)
    return found
