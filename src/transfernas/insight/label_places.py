"""Places for the names of points in the plane, at which no name lies on another one.

A length is in the unit of the figure that draws the names: printer's points for Matplotlib, pixels for plotly.
"""

import unicodedata
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from jaxtyping import Float

_ROUNDS = 200
_MARK = 4.0
"""Half of the width of a mark, on which no name of another point should lie."""


class LabelPlace(NamedTuple):
    """The place of the name of a point.

    Attributes:
        right: Whether the name stands to the right of its point.
        up: The height of the middle of the name above the point; less than 0 for a name below.
        moved: Whether the name is so far from its point that a line should lead there.
    """

    right: bool
    up: float
    moved: bool


def label_places(
    points: Sequence[tuple[float, float]],
    labels: Sequence[str],
    frame: tuple[float, float],
    size: float,
    away: float,
    margin: float = 0.25,
    least: float = 0.0,
) -> tuple[LabelPlace, ...]:
    """Returns a place for each name: beside its point, and moved up or down where two names would lie on each other.

    Names keep the order of their points, and the same points have the same places. Names can be too many for the height
    of the frame; then the last ones stand below the frame.

    Args:
        points: The coordinates of each point; both axes have one scale.
        labels: The name of each point; an empty one takes no place.
        frame: The width and the height of the axes.
        size: The size of the font.
        away: The distance between a point and its name.
        margin: The part of the range of the points that the axes leave free at each end.
        least: The least range that the axis to the right has, in the unit of the points, before the margins.

    Example:
        ```python
        points = [(0.0, 0.0), (0.0, 0.001), (1.0, 0.5)]
        digits, faces, prices = label_places(points, ["digits", "faces", "prices"], (300, 200), size=9, away=6)
        assert digits.up < 0 < faces.up and prices.up == 0
        ```
    """
    if not points:
        return ()
    xy, height = _in_frame(np.array(points, np.float64), frame, margin, least), 1.25 * size
    widths = np.array([_width(label, size) for label in labels])
    right = xy[:, 0] + away + widths <= frame[0]
    # A name that fits on neither side goes to the side where less of it is cut off.
    right |= xy[:, 0] - away - widths < -(xy[:, 0] + away + widths - frame[0])
    left_ends = np.where(right, xy[:, 0] + away, xy[:, 0] - away - widths)
    named = [at for at in sorted(range(len(labels)), key=lambda at: (-xy[at, 1], at)) if labels[at]]
    middles = _apart(xy, left_ends, left_ends + widths, named, height, frame[1])
    ups = middles - xy[:, 1]
    return tuple(
        LabelPlace(bool(its), float(up), abs(float(up)) > 0.6 * height) for its, up in zip(right, ups, strict=True)
    )


def _apart(
    xy: Float[np.ndarray, "names 2"],
    left: Float[np.ndarray, " names"],
    right: Float[np.ndarray, " names"],
    named: Sequence[int],
    height: float,
    top: float,
) -> Float[np.ndarray, " names"]:
    """Returns the height of the middle of each name.

    Args:
        xy: The points.
        left: The left end of each name.
        right: The right end of each name.
        named: The positions of the points that have a name, the highest point first.
        height: The height of a name.
        top: The height of the frame.
    """
    middles = xy[:, 1].copy()
    pairs = [
        (upper, lower)
        for place, upper in enumerate(named)
        for lower in named[place + 1 :]
        if left[upper] < right[lower] and left[lower] < right[upper]
    ]
    marks = [
        (name, other)
        for name in named
        for other in range(len(xy))
        if other != name and left[name] - _MARK < xy[other, 0] < right[name] + _MARK
    ]
    for _ in range(_ROUNDS):
        before = middles.copy()
        for name, other in marks:
            gap = middles[name] - xy[other, 1]
            if abs(gap) < height / 2 + _MARK:
                middles[name] += np.copysign(min(1.0, height / 2 + _MARK - abs(gap)), gap or 1.0)
        for upper, lower in pairs:
            push = max(0.0, height - (middles[upper] - middles[lower])) / 2
            middles[[upper, lower]] += push, -push
        middles = np.clip(middles, height / 2, max(height / 2, top - height / 2))
        if np.abs(middles - before).max() < 0.01:
            break
    for upper, lower in reversed(pairs):  # from the lowest name up, within the frame
        middles[upper] = max(middles[upper], middles[lower] + height)
    middles = np.minimum(middles, max(height / 2, top - height / 2))
    for upper, lower in pairs:  # whatever the rounds left
        middles[lower] = min(middles[lower], middles[upper] - height)
    return middles


def _in_frame(
    xy: Float[np.ndarray, "names 2"], frame: tuple[float, float], margin: float, least: float
) -> Float[np.ndarray, "names 2"]:
    """Returns the points in the units of a frame whose two axes have one scale."""
    low, high = xy.min(axis=0), xy.max(axis=0)
    spans = np.maximum(high - low, (least, 0.0)) * (1 + 2 * margin)
    scales = [part / span for part, span in zip(frame, spans, strict=True) if span > 0]
    return np.array(frame) / 2 + (xy - (low + high) / 2) * min(scales, default=1.0)


def _width(label: str, size: float) -> float:
    """Returns an estimate of the width of a name, whose letters may be wide ones of East Asia."""
    return size * sum(1.0 if unicodedata.east_asian_width(letter) in "WF" else 0.6 for letter in label)
