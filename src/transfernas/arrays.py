"""Type of arrays that are NumPy arrays on the host and JAX arrays inside compiled functions."""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    AnyArray = Any
else:
    import numpy as np
    from jaxtyping import Array

    AnyArray = Array | np.ndarray
