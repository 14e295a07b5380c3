"""Places of numbers in their ranges: 0 is the least number and 1 the largest, on the scale of the range."""

import math

import numpy as np
from jaxtyping import Float

from .domain import NumericDomain

_MIDDLE = 0.5  # also the place of the number of a range with a single number
_ROUNDING = 1e-12  # a place that is closer to an end is that of the end


def place_of(numbers: NumericDomain, value: float) -> float:
    """Returns the place of a value in a range; a value outside of the range has a place below 0 or above 1."""
    low, high = _on_scale(numbers, numbers.low), _on_scale(numbers, numbers.high)
    if low == high:
        return _MIDDLE
    return (_on_scale(numbers, value) - low) / (high - low)


def place_within(numbers: NumericDomain, value: float) -> float:
    """Returns the place of a value, at most a whole range away from the range; NaN for NaN."""
    try:
        return min(max(place_of(numbers, value), -1.0), 2.0) if value == value else math.nan
    except OverflowError:  # an integer larger than every float
        return -1.0 if value < 0 else 2.0


def places_within(numbers: NumericDomain, values: Float[np.ndarray, "values"]) -> Float[np.ndarray, "values"]:
    """Returns the places of many values, see `place_within`.

    Args:
        numbers: The range.
        values: Shape `[values]`; NaN has the place NaN.
    """
    low, high = _on_scale(numbers, numbers.low), _on_scale(numbers, numbers.high)
    if low == high:
        return np.where(np.isnan(values), np.nan, _MIDDLE)
    scaled = np.log(np.where(values > 0, values, numbers.low)) if numbers.log else values / 2.0
    return np.where(np.isnan(values), np.nan, np.clip((scaled - low) / (high - low), -1.0, 2.0))


def value_at(numbers: NumericDomain, place: float) -> float:
    """Returns the value of a range that is nearest to a place from 0 to 1; 0 and 1 are the ends of the range."""
    low, high = _on_scale(numbers, numbers.low), _on_scale(numbers, numbers.high)
    at = low + place * (high - low)
    value = math.exp(min(at, math.log(numbers.high))) if numbers.log else 2.0 * at
    if not _ROUNDING < place < 1.0 - _ROUNDING:  # the scale rounds 1000 to 999.9999999999998
        value = float(numbers.low if place < 0.5 else numbers.high)
    return numbers.near(min(max(value, numbers.low), numbers.high), 0.0, 0.0)


def middle_bin(numbers: NumericDomain) -> int:
    """Returns the position of the bin in the middle of a range, on the scale of the range."""
    return numbers.position(value_at(numbers, _MIDDLE))


def nearest_places(numbers: NumericDomain, places: Float[np.ndarray, "places"]) -> Float[np.ndarray, "places"]:
    """Returns the places of the values that are nearest to given places; a range with steps has few values.

    Args:
        numbers: The range.
        places: Shape `[places]`, from 0 to 1.
    """
    if numbers.step is None or numbers.count is None or numbers.low == numbers.high:
        return places
    low, high = _on_scale(numbers, numbers.low), _on_scale(numbers, numbers.high)
    at = low + places * (high - low)
    values = np.exp(np.minimum(at, high)) if numbers.log else 2.0 * at
    steps = np.clip(np.rint((values - numbers.low) / numbers.step), 0, numbers.count - 1)
    found = numbers.low + steps * numbers.step
    scaled: np.ndarray = np.log(found) if numbers.log else found / 2.0
    return (scaled - low) / (high - low)


def _on_scale(numbers: NumericDomain, value: float) -> float:
    """Returns the logarithm of a value, or half of the value: the length of a range may be too large for a float."""
    if not numbers.log:
        return value / 2.0
    return math.log(value if value > 0 else numbers.low)
