"""Checks tensors from a file before they are used."""

import math

import numpy as np
from numpy.typing import DTypeLike

from ..learning.scores import Scores, TrialOutcome


class CheckpointError(ValueError):
    """The error of a file that is damaged, holds no agent, or is newer than this version.

    Example:
        ```python
        from pathlib import Path

        Path("notes.safetensors").write_text("no agent")
        try:
            Agent.load("notes.safetensors")
        except CheckpointError as error:
            print(error)  # notes.safetensors is damaged or is not a safetensors file: ...
        ```
    """


def check_finite(name: str, tensor: np.ndarray) -> None:
    """Checks that a tensor holds finite numbers.

    Raises:
        CheckpointError: A number is not finite.
    """
    if np.issubdtype(tensor.dtype, np.floating) and not np.isfinite(tensor).all():
        raise CheckpointError(f"the tensor {name} holds values that are not finite")


def check_not_negative(name: str, tensor: np.ndarray) -> None:
    """Checks that no number of a tensor is below 0.

    Raises:
        CheckpointError: A number is below 0.
    """
    if tensor.size and tensor.min() < 0:
        raise CheckpointError(f"the tensor {name} holds values below 0")


def check_shape(name: str, tensors: dict[str, np.ndarray], shape: tuple[int, ...], dtype: DTypeLike) -> None:
    """Checks the presence, the shape and the type of a tensor.

    Raises:
        CheckpointError: The tensor is missing, or has another shape or type.
    """
    if name not in tensors:
        raise CheckpointError(f"the tensor {name} is missing")
    found, wanted = tensors[name], np.dtype(dtype)
    if found.shape != shape or found.dtype != wanted:
        raise CheckpointError(
            f"the tensor {name} is {found.dtype}{list(found.shape)} and should be {wanted}{list(shape)}"
        )


def check_limits(name: str, tensor: np.ndarray, most: int, least: int = 0) -> None:
    """Checks that all numbers of a tensor are from `least` to `most`.

    Raises:
        CheckpointError: A number is out of the range.
    """
    if tensor.size and (tensor.min() < least or tensor.max() > most):
        raise CheckpointError(f"the tensor {name} holds values that are not from {least} to {most}")


def take(name: str, tensors: dict[str, np.ndarray], shape: tuple[int, ...], dtype: DTypeLike) -> np.ndarray:
    """Returns a tensor of finite numbers, and removes it from the mapping.

    Raises:
        CheckpointError: The tensor is missing or wrong.
    """
    check_shape(name, tensors, shape, dtype)
    check_finite(name, tensors[name])
    return tensors.pop(name)


def take_counts(
    name: str, tensors: dict[str, np.ndarray], shape: tuple[int, ...], most: int, least: int = 0
) -> np.ndarray:
    """Returns a tensor of whole numbers from `least` to `most`, and removes it from the mapping.

    Raises:
        CheckpointError: The tensor is missing or wrong.
    """
    tensor = take(name, tensors, shape, np.int32)
    check_limits(name, tensor, most, least)
    return tensor


def take_scores(part: str, tensors: dict[str, np.ndarray], shape: tuple[int, ...]) -> Scores:
    """Returns the scores of trials, and removes their tensors from the mapping.

    Raises:
        CheckpointError: A tensor of the scores is missing or wrong.
    """
    reward = take(part + "reward", tensors, shape, np.float64)
    return Scores(take_counts(part + "outcome", tensors, shape, max(TrialOutcome), min(TrialOutcome)), reward)


def sparse(values: np.ndarray) -> dict[str, np.ndarray]:
    """Returns the known numbers of an array that is mostly nan, and their positions, as two named tensors."""
    at = np.flatnonzero(~np.isnan(values)).astype(np.int32)
    return {"known": at, "numbers": values.reshape(-1)[at]}


def dense(part: str, tensors: dict[str, np.ndarray], shape: tuple[int, ...]) -> np.ndarray:
    """Returns the array that `sparse` converted, and removes its tensors from the mapping.

    Raises:
        CheckpointError: A tensor is missing or does not fit the shape.
    """
    values, size = np.full(shape, np.nan), math.prod(shape)
    if part + "known" not in tensors:
        raise CheckpointError(f"the tensor {part}known is missing")
    at = tensors.pop(part + "known")
    numbers = take(part + "numbers", tensors, at.shape, np.float64)
    if at.ndim != 1 or at.dtype != np.int32 or not (np.diff(at, prepend=-1, append=size) > 0).all():
        raise CheckpointError(f"the tensor {part}known does not hold positions in ascending order from 0 to {size - 1}")
    values.reshape(-1)[at] = numbers
    return values
