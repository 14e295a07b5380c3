"""Converts an archive to named tensors and back."""

from collections.abc import Sequence

import numpy as np

from ..learning.archive import NOT_MADE, ArchivedProblem
from ..learning.scores import Scores
from ..spaces.choice import Choice
from .tensor_checks import CheckpointError, check_limits, dense, sparse, take, take_scores

ARCHIVE = "archive."


def archive_tensors(archive: tuple[ArchivedProblem, ...]) -> dict[str, np.ndarray]:
    """Returns the trials of an archive as tensors, by their names in it; those of all problems are concatenated."""
    if not archive:
        return {}
    joined = {
        "count": np.stack([entry.count for entry in archive], axis=1),
        "action_indices": np.concatenate(
            [entry.action_indices.reshape(len(entry.count), -1) for entry in archive], axis=1
        ),
        **{name: np.concatenate([getattr(entry.scores, name) for entry in archive], axis=1) for name in Scores._fields},
    }
    values = np.concatenate([entry.values.reshape(len(entry.count), -1) for entry in archive], axis=1)
    return joined | sparse(values)


def archive_of(
    tensors: dict[str, np.ndarray], problems: Sequence[tuple[str, str, tuple[Choice, ...], int]], replicas: int
) -> tuple[ArchivedProblem, ...]:
    """Returns the archive of tensors, and removes its tensors from the mapping.

    Args:
        tensors: Tensors by name.
        problems: For each problem, the names of the space and the task, the choices, and the room for trials.
        replicas: Number of replicas.

    Raises:
        CheckpointError: A tensor is missing or does not fit the problems; the message names the tensor.
    """
    if not problems:
        return ()
    sizes = [size for *_, size in problems]
    whole = [size * len(choices) for _, _, choices, size in problems]
    count = take(ARCHIVE + "count", tensors, (replicas, len(problems)), np.int32)
    action_indices = take(ARCHIVE + "action_indices", tensors, (replicas, sum(whole)), np.int32)
    scores = take_scores(ARCHIVE, tensors, (replicas, sum(sizes)))
    values = dense(ARCHIVE, tensors, (replicas, sum(whole)))
    found, at, first = [], 0, 0
    for number, (space, task, choices, size) in enumerate(problems):
        cells, rows = slice(first, first + whole[number]), slice(at, at + size)
        shape = (replicas, size, len(choices))
        its, most = action_indices[:, cells].reshape(shape), np.array([len(choice.actions) - 1 for choice in choices])
        if (its < NOT_MADE).any() or (its > most).any():
            raise CheckpointError(f"the tensor {ARCHIVE}action_indices holds a trial that does not fit its problem")
        check_limits(ARCHIVE + "count", count[:, number], size)
        kept, its_scores = values[:, cells].reshape(shape), scores.at((slice(None), rows))
        found.append(ArchivedProblem(space, task, choices, count[:, number], its, kept, its_scores))
        at, first = at + size, first + whole[number]
    return tuple(found)
