"""The rows of the figure of the configurations that the policy ranks highest, one for each parameter."""

import textwrap
from collections.abc import Mapping, Sequence
from typing import NamedTuple

from ..spaces.condition import Action, action_key
from ..spaces.vocabulary import counted
from .beliefs import Beliefs, ParameterBeliefs
from .figure_data import BLUE, GREEN, MOST_BARS, ORANGE, PINK, RED, UNSURE, label
from .number_ranges import NumberRange, number_words, with_actions

RANK_STYLES = {"1st": (BLUE, "o"), "2nd": (RED, "s"), "3rd": (GREEN, "^"), "4th": (PINK, "D"), "5th": (ORANGE, "v")}
"""The colour and Matplotlib's marker of each rank."""

BAND = 0.68
"""The height of the band of a row, where rows have the distance 1."""

ABSENT = "–"
"""Stands for the value of a configuration without the parameter."""

_LANE = 0.13  # the distance of the marks of two ranks
_MOST_LABELLED = 6  # values of a parameter, up to which each has its label
_LEAST_WITH_MIDDLE = 4  # parts of a range
_LETTERS = 32  # of the labels under a band, together
_LONGEST_NAME, _LONGEST_VALUE = 42, 16  # letters
_NAME_LINE, _NAME_LINES = 16, 3  # letters of a line, lines


class ExpectedRow(NamedTuple):
    """A parameter and its values in the configurations. A place is from 0, the left end of the band, to 1.

    Attributes:
        name: The name of the parameter.
        cells: The number of parts of equal width into which the band is cut.
        places: The place of the value of each configuration; None for one without the parameter.
        words: The value of each configuration; empty for one without the parameter.
        ticks: Places with their labels. A label begins at the place 0, ends at the place 1, and is centred elsewhere.
    """

    name: str
    cells: int
    places: tuple[float | None, ...]
    words: tuple[str, ...]
    ticks: tuple[tuple[float, str], ...]

    @property
    def name_lines(self) -> list[str]:
        """The name in up to three short lines, which leave room for the band."""
        return textwrap.wrap(self.name, _NAME_LINE, max_lines=_NAME_LINES, placeholder="…")


class RankedPoint(NamedTuple):
    """The mark of a configuration in the row of a parameter.

    Attributes:
        place: The place of the mark in the row, from 0 to 1.
        height: The height of the mark; the middle of row n has the height n.
        parameter: The name of the parameter.
        words: The value of the parameter.
    """

    place: float
    height: float
    parameter: str
    words: str


class ExpectedRows(NamedTuple):
    """The configurations that the policy ranks highest.

    Attributes:
        ranks: The rank of each configuration, the first one first.
        rows: A row for each parameter that one of the configurations has.
        title: The words for the configurations, also if there are none.
        notes: Lines that explain the rows, and say what they leave out.
    """

    ranks: tuple[str, ...]
    rows: tuple[ExpectedRow, ...]
    title: str
    notes: tuple[str, ...]

    def points(self, rank: int) -> list[RankedPoint]:
        """Returns the marks of a configuration.

        The configurations have different heights in a row, so that no mark hides another one.

        Args:
            rank: The position of the configuration in `ranks`.
        """
        up = _LANE * (rank - (len(self.ranks) - 1) / 2)
        marks = ((row.places[rank], at + up, row) for at, row in enumerate(self.rows))
        return [
            RankedPoint(place, height, row.name, row.words[rank]) for place, height, row in marks if place is not None
        ]


def expected_rows(beliefs: Beliefs) -> ExpectedRows:
    """Returns the configurations that the policy ranks highest, with at most twelve parameters."""
    ranked = beliefs.expected_best[: len(RANK_STYLES)]
    configs = [with_actions(each.config, beliefs.ranges) for each in ranked]
    having = [each for each in beliefs.parameters if any(each.name in config for config in configs)]
    important = {each.name for each in sorted(having, key=lambda each: -(each.importance or 0.0))[:MOST_BARS]}
    rows = tuple(_row(each, configs) for each in having if each.name in important)
    if not rows:
        return ExpectedRows((), (), "no valid configuration was drawn", ())
    title = f"the {counted(len(configs), 'configuration')} that the policy ranks highest"
    notes = ["each row is a parameter over its own range"]
    if len(rows) < len(having):
        notes.append(f"{len(rows)} of {len(having)} parameters, the most important")
    if any(place is None for row in rows for place in row.places):
        notes.append("no mark: the configuration lacks the parameter")
    return ExpectedRows(tuple(RANK_STYLES)[: len(configs)], rows, title, tuple(notes))


def _row(parameter: ParameterBeliefs, configs: Sequence[Mapping[str, Action]]) -> ExpectedRow:
    name, values, ranges = parameter.name, parameter.values, parameter.ranges
    keys = [action_key(value) for value in values]
    taken = [keys.index(action_key(config[name])) if name in config else None for config in configs]
    order = list(range(len(values)))
    if all(type(value) in (int, float) for value in values):
        order.sort(key=lambda at: values[at])  # type: ignore[arg-type, return-value]
        words = number_words([values[at] for at in order])  # type: ignore[misc]
        ticks = _number_ticks(words) if ranges is None else _range_ticks([ranges[at] for at in order])
        cells = len(order)
    else:
        order = [at for at in order if len(values) <= _MOST_LABELLED or at in taken]
        words = [label(values[at], _LONGEST_VALUE) for at in order]
        others = len(values) - len(order)
        labels = [str(values[at]) for at in order] + [f"{others} others"] * (others > 0)
        ticks, cells = _middle_ticks(labels), len(labels)
    if ranges is not None:
        words = [UNSURE * ranges[at].about + ranges[at].words("–") for at in order]
    return ExpectedRow(
        label(name, _LONGEST_NAME),
        cells,
        tuple(None if at is None else (order.index(at) + 0.5) / cells for at in taken),
        tuple("" if at is None else words[order.index(at)] for at in taken),
        ticks,
    )


def _range_ticks(ranges: Sequence[NumberRange]) -> tuple[tuple[float, str], ...]:
    """Returns the ends of a range, and a number in its middle, which shows a logarithmic scale."""
    first, last, at = ranges[0], ranges[-1], len(ranges) // 2
    ends = [(0.0, first.low, first.about), (1.0, last.high, last.about)]
    if len(ranges) >= _LEAST_WITH_MIDDLE:
        ends.insert(1, (at / len(ranges), ranges[at].low, ranges[at].about))
    words = number_words([number for _, number, _ in ends])
    return tuple((place, UNSURE * about + word) for (place, _, about), word in zip(ends, words, strict=True))


def _number_ticks(words: Sequence[str]) -> tuple[tuple[float, str], ...]:
    """Returns the labels of a list of numbers: of all, or of the first, the middle and the last one."""
    count = len(words)
    at = range(count) if count <= _MOST_LABELLED else (0, count // 2, count - 1)
    return tuple(((each + 0.5) / count, words[each]) for each in at)


def _middle_ticks(labels: Sequence[str]) -> tuple[tuple[float, str], ...]:
    """Returns labels in the middle of parts of equal width, as long as the parts have room for them."""
    count = len(labels)
    return tuple(((at + 0.5) / count, label(words, _LETTERS // count)) for at, words in enumerate(labels))
