"""The parts of the Gaussian processes over declared problems that stay for several trials.

Shapes: `replicas` run side by side, a problem has `choices`.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
from jaxtyping import Int

from ..spaces.encoding import Encoding
from ..spaces.trajectory import Trajectory
from .archive import ArchivedProblem, indices_of_trials
from .choice_points import ChoicePoints
from .source_models import SourceModels, SourceTrials
from .surrogate import Hyperparameters


class SurrogateCache:
    """The parts of the processes that stay for several trials: spaces, sources, kernels, and trials as points.

    The content of this cache follows from the problems, the archive and the trials. So learners that grew from one
    another share the cache, and no file holds it.
    """

    def __init__(self) -> None:
        """Creates an empty cache."""
        self._sources: dict[tuple[int, int], tuple[ChoicePoints, SourceModels]] = {}  # by replica and row
        self._kernels: dict[tuple[int, int], tuple[object, Hyperparameters]] = {}  # of the latest trials
        self._indices: dict[int, dict[int, Int[np.ndarray, choices]]] = {}  # by row, then by fingerprint

    def __reduce__(self) -> tuple[Any, ...]:
        """Leaves the content behind, which its owner can compute again."""
        return SurrogateCache, ()

    def points(
        self, encoding: Encoding, archive: Sequence[ArchivedProblem], replica: int, row: int
    ) -> tuple[ChoicePoints, SourceModels]:
        """Returns the points of a problem, and the models of the problems in the archive."""
        if (found := self._sources.get((replica, row))) is None:
            points = ChoicePoints(encoding.problems[row].space, archive)
            earlier = [
                SourceTrials(points.of_archived(entry, replica), entry.scores.at((replica, slice(count))).losses())
                for entry in archive
                if (count := int(entry.count[replica]))
            ]
            found = self._sources[replica, row] = points, SourceModels.of(earlier, points.numeric)
        return found

    def indices(
        self, encoding: Encoding, row: int, fingerprints: Sequence[int], trials: Trajectory
    ) -> Int[np.ndarray, "trials choices"]:
        """Returns the position of the action of each choice in trials of a problem, or `NOT_MADE`."""
        known = self._indices.setdefault(row, {})
        new = [at for at, fingerprint in enumerate(fingerprints) if fingerprint not in known]
        if new:
            found = indices_of_trials(encoding, row, trials.at(np.array(new)))
            known.update((fingerprints[at], its) for at, its in zip(new, found, strict=True))
        return np.array([known[fingerprint] for fingerprint in fingerprints])

    def kernel(self, replica: int, row: int, key: object) -> Hyperparameters | None:
        """Returns the kernel that was found for these trials; None if it was found for others."""
        its, found = self._kernels.get((replica, row), (None, None))
        return found if its == key else None

    def keep_kernel(self, replica: int, row: int, key: object, found: Hyperparameters) -> None:
        """Keeps the kernel that was found for some trials."""
        self._kernels[replica, row] = key, found
