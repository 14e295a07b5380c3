"""The limits that settings of several parts have."""

from typing import Annotated

from ..fields import Limits

Share = Annotated[float, Limits(0, 1)]
Weight = Annotated[float, Limits(0, 10**6)]
Count = Annotated[int, Limits(1, 10**9)]
