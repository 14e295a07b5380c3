"""Arrays: their type, which is NumPy's on the host and JAX's in compiled functions, and dataclasses made of them."""

import dataclasses
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np

if TYPE_CHECKING:
    AnyArray = Any
else:
    from jaxtyping import Array

    AnyArray = Array | np.ndarray

T = TypeVar("T")


def map_arrays(part: T, change: Callable[[np.ndarray], np.ndarray]) -> T:
    """Returns a dataclass with all NumPy arrays changed, those of named tuples in its fields among them.

    Example:
        ```python
        from transfernas.learning.trial_stats import TrialStats

        copied = map_arrays(TrialStats.empty(replicas=1, problems=2), np.copy)
        ```
    """

    def mapped(value: Any) -> Any:
        if isinstance(value, tuple) and hasattr(value, "_fields"):
            return type(value)(*map(mapped, value))
        return change(value) if isinstance(value, np.ndarray) else value

    fields = [field.name for field in dataclasses.fields(part)]  # type: ignore[arg-type]
    return dataclasses.replace(part, **{name: mapped(getattr(part, name)) for name in fields})  # type: ignore[type-var]
