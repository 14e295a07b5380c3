"""How long searchers take to ask and tell, evaluation left out.

Shapes: `replicas` run side by side, `trials` one after the other.
"""

import time
from pathlib import Path

import numpy as np
from jaxtyping import Float

from .record import Record
from .runner import Batch, Replicas

_SECONDS = "seconds.npy"


class Timed(Replicas):
    """Replicas with the time that they take to ask and tell."""

    def __init__(self, replicas: Replicas) -> None:
        """Times replicas that are as new."""
        self._replicas, self._seconds, self._asking = replicas, list[float](), 0.0

    @property
    def seconds(self) -> Float[np.ndarray, "trials"]:
        """How long each trial took, all replicas together, evaluation left out."""
        return np.array(self._seconds)

    def ask(self) -> Batch:
        """Returns the next trial of each."""
        started = time.perf_counter()
        batch = self._replicas.ask()
        self._asking = time.perf_counter() - started
        return batch

    def tell(self, reward: Float[np.ndarray, "replicas"]) -> None:
        """Takes the rewards of the trials asked last."""
        started = time.perf_counter()
        self._replicas.tell(reward)
        self._seconds.append(self._asking + time.perf_counter() - started)

    def save(self, folder: Path) -> None:
        """Writes what the replicas do, and the times."""
        np.save(folder / _SECONDS, self.seconds)
        self._replicas.save(folder)

    def resume(self, folder: Path, record: Record) -> None:
        """Goes on after a record."""
        self._replicas.resume(folder, record)
        self._seconds = np.load(folder / _SECONDS).tolist()

    def finish(self, folder: Path, record: Record) -> None:
        """Takes the times, and what the replicas do."""
        self._replicas.finish(folder, record)
        self._seconds = np.load(folder / _SECONDS).tolist()
