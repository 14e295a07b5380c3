"""The ranges that settings of several parts have."""

from typing import Annotated

from ..fields import Range

Share = Annotated[float, Range(0, 1)]
Weight = Annotated[float, Range(0, 10**6)]
Count = Annotated[int, Range(1, 10**9)]
