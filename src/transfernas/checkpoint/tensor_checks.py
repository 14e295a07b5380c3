"""Checks of tensors that are read from a file, before they are used."""

import math

import numpy as np

from ..learning.scores import TrialOutcome


class CheckpointError(ValueError):
    """A file that is no agent, or not one that this version can read."""


def check_finite(name: str, tensor: np.ndarray) -> None:
    """Checks that a tensor holds finite numbers.

    Raises:
        CheckpointError: it does not.
    """
    if np.issubdtype(tensor.dtype, np.floating) and not np.isfinite(tensor).all():
        raise CheckpointError(f"the tensor {name} holds values that are not finite")


def check_not_negative(name: str, tensor: np.ndarray) -> None:
    """Checks that a tensor holds nothing below 0."""
    if tensor.size and tensor.min() < 0:
        raise CheckpointError(f"the tensor {name} holds values below 0")


def check_shape(name: str, tensors: dict[str, np.ndarray], shape: tuple[int, ...], dtype: np.dtype) -> None:
    """Checks that a tensor is there, and its shape and its type."""
    if name not in tensors:
        raise CheckpointError(f"the tensor {name} is missing")
    found = tensors[name]
    if found.shape != shape or found.dtype != dtype:
        raise CheckpointError(
            f"the tensor {name} is {found.dtype}{list(found.shape)} and should be {dtype}{list(shape)}"
        )


def check_limits(name: str, tensor: np.ndarray, most: int, least: int = 0) -> None:
    """Checks that a tensor holds numbers of a range alone."""
    if tensor.size and (tensor.min() < least or tensor.max() > most):
        raise CheckpointError(f"the tensor {name} holds values that are not from {least} to {most}")


def check_scores(part: str, tensors: dict[str, np.ndarray], shape: tuple[int, ...]) -> None:
    """Checks the scores of trials."""
    check_shape(part + "reward", tensors, shape, np.dtype(np.float64))
    check_shape(part + "outcome", tensors, shape, np.dtype(np.int32))
    check_finite(part + "reward", tensors[part + "reward"])
    check_limits(part + "outcome", tensors[part + "outcome"], max(TrialOutcome), min(TrialOutcome))


def sparse(part: str, values: np.ndarray) -> dict[str, np.ndarray]:
    """Returns an array of which few numbers are known as these, and where they are."""
    at = np.flatnonzero(~np.isnan(values)).astype(np.int32)
    return {part + "known": at, part + "numbers": values.reshape(-1)[at]}


def dense(part: str, tensors: dict[str, np.ndarray], shape: tuple[int, ...]) -> np.ndarray:
    """Takes what `sparse` made out of the tensors.

    Raises:
        CheckpointError: it is none of such an array.
    """
    values, size = np.full(shape, np.nan), math.prod(shape)
    if part + "known" not in tensors:
        raise CheckpointError(f"the tensor {part}known is missing")
    at = tensors.pop(part + "known")
    check_shape(part + "numbers", tensors, at.shape, np.dtype(np.float64))
    check_finite(part + "numbers", tensors[part + "numbers"])
    if at.ndim != 1 or at.dtype != np.int32 or not (np.diff(at, prepend=-1, append=size) > 0).all():
        raise CheckpointError(f"the tensor {part}known holds no places in order from 0 to {size - 1}")
    values.reshape(-1)[at] = tensors.pop(part + "numbers")
    return values
