"""The numbers and labels of figures, which `transfernas.plots` draws by Matplotlib, and Optuna's users by plotly."""

import math
from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np
from jaxtyping import Float

from ..spaces.condition import Action
from .attention import DecisionAttention
from .beliefs import Beliefs, ParameterBeliefs
from .importances import Importance, too_weak
from .number_ranges import NumberRange, number_words
from .plane import EmbeddingMap
from .progress import OTHERS, SearchRecord, SearchTrial

BLUE, ORANGE, GREEN, PINK, RED, GREY = "#0072b2", "#e69f00", "#009e73", "#cc79a7", "#d55e00", "#767676"
PROPOSER_STYLES = {
    "policy": (BLUE, "o"),
    "new policy": (RED, "s"),
    "warm start": (GREEN, "^"),
    "exploring policy": (PINK, "D"),
    "surrogate": (ORANGE, "v"),
    OTHERS: (GREY, "x"),
}
"""The colour and Matplotlib's marker of each proposer."""

EARLY = "learned: too early to tell"
BY_CHANCE = "values: may be chance"
UNSURE = "~"
"""Stands before a part of a range that may reach beyond the range, see `NumberRange.about`."""

MOST_BARS = 12
_MOST_LABELS = 6  # of the values of a number
_LONGEST = 24  # letters of a name
_LONGEST_TOKEN = 32  # of a name and its value
_LARGEST = 1e300
_LEAST_LIMITED = 8  # of fewer trials all are shown
_MOST_NAMED_POINTS = 20  # of a map, up to which each has its name
_MOST_MARKS = 600  # of the trials of a search


class ValueShares(NamedTuple):
    """The values of a parameter.

    Attributes:
        labels: The label of each value.
        ticks: The places on the axis that have a label, where the value at position n takes the places from n - 0.5 to
            n + 0.5. The labels of a range of real numbers stand between its parts.
        tick_labels: The labels there.
        now: The probability of each value now.
        before: The share of each value among the best trials of the other problems, in the mean; None without them.
        before_label: The words for `before`.
        chance: The probability of each value by chance.
    """

    labels: tuple[str, ...]
    ticks: tuple[float, ...]
    tick_labels: tuple[str, ...]
    now: tuple[float, ...]
    before: tuple[float, ...] | None
    before_label: str
    chance: float


class ImportanceShares(NamedTuple):
    """The most important parameters, the most important one last.

    Attributes:
        names: The names of the parameters.
        shares: The share of each in all effects, in [0, 1].
        trials: The words for the trials by which they were measured.
        weak: Whether the effects are too weak to tell.
    """

    names: tuple[str, ...]
    shares: tuple[float, ...]
    trials: str
    weak: bool = False


class LikenessPoints(NamedTuple):
    """The problems that are most like another problem, the most alike last.

    Attributes:
        tasks: The names of their tasks, with the space of a task that several problems have.
        cosine: Pairs of a cosine and a position in `tasks`.
        agreement: Pairs of a rank correlation and a position in `tasks`.
        early: The pairs of cosines that say nothing yet, which are not in `cosine`.
        by_chance: The pairs of rank correlations that chance alone may give, which are not in `agreement`.
    """

    tasks: tuple[str, ...]
    cosine: tuple[tuple[float, int], ...]
    agreement: tuple[tuple[float, int], ...]
    early: tuple[tuple[float, int], ...]
    by_chance: tuple[tuple[float, int], ...]


class SearchCurve(NamedTuple):
    """The course of a search.

    Attributes:
        trials: The trials of each proposer that have a finite value. Of more than 600 some are left out, evenly.
        best: Pairs of the number of a trial and the best value after it.
        against: The same pairs of another search.
        limits: The least and the largest value to show; None for all.
        outside: The number of values that are worse than the limits.
        maximise: Whether a higher value is better.
    """

    trials: dict[str, tuple[SearchTrial, ...]]
    best: tuple[tuple[int, float], ...]
    against: tuple[tuple[int, float], ...]
    limits: tuple[float, float] | None
    outside: int
    maximise: bool

    @property
    def outside_words(self) -> str:
        """The words behind the title of the axis of the trials; empty if no value is left out."""
        ones, where = "one" if self.outside == 1 else "ones", "below" if self.maximise else "above"
        return f" (hollow: {self.outside} worse {ones} {where})" if self.outside else ""

    def beyond(self, kind: str) -> tuple[SearchTrial, ...]:
        """Returns the trials of a proposer whose values are left out."""
        if self.limits is None:
            return ()
        low, high = self.limits
        return tuple(trial for trial in self.trials[kind] if not low <= (trial.value or 0.0) <= high)


class AttentionTable(NamedTuple):
    """The attention of a layer, in the mean over its heads.

    Attributes:
        decisions: The label of each row, a decision.
        tokens: The label of each column, a token.
        weights: Shape `[decisions, tokens]`, not a number for the tokens that come later.
    """

    decisions: tuple[str, ...]
    tokens: tuple[str, ...]
    weights: Float[np.ndarray, "decisions tokens"]


class MapPoints(NamedTuple):
    """Names in the plane.

    Attributes:
        labels: The label of each point: its names, which have equal embeddings.
        places: The two coordinates of each point.
        marked: For each point, whether one of its names is to have another colour.
        axes: The titles of the two axes; empty for an axis without meaning.
        note: The words for the meaning of distances; empty if both axes have a meaning.
        least: The least range of the axis to the right, so that near names lie near one another; 0 for none.
    """

    labels: tuple[str, ...]
    places: tuple[tuple[float, float], ...]
    marked: tuple[bool, ...]
    axes: tuple[str, str]
    note: str
    least: float

    @property
    def named(self) -> tuple[str, ...]:
        """The name to write beside each point: its label, or nothing if more than 20 points would have names."""
        few = len(self.labels) <= _MOST_NAMED_POINTS
        return tuple(name if few or its else "" for name, its in zip(self.labels, self.marked, strict=True))


def value_shares(parameter: ParameterBeliefs) -> ValueShares:
    """Returns which values of a parameter the policy would draw now, and which were good in other problems."""
    values, before = parameter.values, None
    if parameter.sources:
        before = tuple(np.mean([source.probabilities for source in parameter.sources], axis=0).tolist())
    count = len(parameter.sources)
    words = "best 8 trials of " + ("the other problem" if count == 1 else f"each of {count} other problems")
    labels = _value_labels(values) if parameter.ranges is None else tuple(map(label, parameter.ranges))
    ticks, tick_labels = _edges(parameter.ranges or ()) or _middles(values, labels, parameter.ranges)
    return ValueShares(labels, ticks, tick_labels, parameter.probabilities, before, words, 1 / len(values))


def importance_shares(found: Beliefs | Mapping[str, Importance]) -> ImportanceShares:
    """Returns the most important parameters, at most twelve, of beliefs or of importances by name."""
    trials = "trials"
    if isinstance(found, Beliefs):
        trials = "this problem's trials" if found.importances_from == "this problem" else "other problems' trials"
        found = found.importances
    shares = {name: its.share for name, its in found.items()}
    names = sorted(shares, key=lambda name: shares[name])[-MOST_BARS:]
    return ImportanceShares(tuple(names), tuple(shares[name] for name in names), trials, too_weak(found))


def likeness_points(beliefs: Beliefs) -> LikenessPoints:
    """Returns the problems that are most like that of the beliefs, at most twelve."""
    near = list(reversed(beliefs.likeness[:MOST_BARS]))
    cosine, early = (
        tuple(
            (each.cosine, row) for row, each in enumerate(near) if each.cosine is not None and each.too_early == which
        )
        for which in (False, True)
    )
    agreement, by_chance = (
        tuple(
            (each.agreement, row)
            for row, each in enumerate(near)
            if each.agreement is not None and each.by_chance == which
        )
        for which in (False, True)
    )
    tasks = [beliefs.task, *(each.task for each in near)]
    names = tuple(each.task if tasks.count(each.task) == 1 else f"{each.task} ({each.space})" for each in near)
    return LikenessPoints(names, cosine, agreement, early, by_chance)


def search_curve(record: SearchRecord, against: SearchRecord | None = None) -> SearchCurve:
    """Returns the course of a search, beside that of another search.

    The limits leave out the values that are worse than the good half by more than three times its width.
    """
    valued = [trial for trial in record.trials if _drawable(trial.value)]
    shown = valued[:: max(1, -(-len(valued) // _MOST_MARKS))]
    kinds = dict.fromkeys((*PROPOSER_STYLES, *(trial.kind for trial in record.trials)))
    trials = {kind: tuple(trial for trial in shown if trial.kind == kind) for kind in kinds}
    other = () if against is None else _steps(against)
    limits, outside = _limits([trial.value for trial in valued if trial.value is not None], record.maximise, other)
    trials = {kind: its for kind, its in trials.items() if its}
    return SearchCurve(trials, _steps(record), other, limits, outside, record.maximise)


def attention_table(attention: DecisionAttention, layer: int = 0) -> AttentionTable:
    """Returns the attention of a layer, in the mean over its heads.

    Args:
        attention: The attention.
        layer: The number of the layer, from 0.

    Raises:
        ValueError: There is no such layer.
    """
    layers = len(attention.weights)
    if isinstance(layer, bool) or not isinstance(layer, int) or not 0 <= layer < layers:
        raise ValueError(f"layer must be a whole number from 0 to {layers - 1}, not {layer!r}")
    weights = np.array(attention.weights[layer]).mean(axis=0)
    later = len(attention.tokens) - len(attention.decisions)
    weights[~np.tri(len(attention.decisions), len(attention.tokens), later, dtype=bool)] = np.nan
    tokens = tuple(label(token, _LONGEST_TOKEN) for token in attention.tokens)
    return AttentionTable(tuple(map(label, attention.decisions)), tokens, weights)


def map_points(found: EmbeddingMap, noun: str, marked: str | None = None) -> MapPoints:
    """Returns names in the plane, those of equal embeddings as one point.

    Args:
        found: The embeddings.
        noun: The word for a name, such as "task".
        marked: The name that is to have another colour; None for none.
    """
    points: dict[tuple[float, float], list[str]] = {}
    for name, place in zip(found.names, found.places, strict=True):
        points.setdefault(place, []).append(name)
    if not found.names:
        note = f"no {noun}s"
    elif len(found.names) == 1:
        note = f"one {noun}: there is no distance to show"
    elif len(points) == 1:
        note = f"all {noun}s have the same embedding"
    else:
        note = "" if found.explained[1] else f"the {noun}s lie on a line: only the distances along it count"
    return MapPoints(
        tuple(label(", ".join(names), _LONGEST_TOKEN) for names in points.values()),
        tuple(points),
        tuple(marked in names for names in points.values()),
        (_component("first", found.explained[0]), _component("second", found.explained[1])),
        note,
        found.size if len(points) > 1 else 0.0,
    )


def least_range(values: Sequence[float], least: float) -> tuple[float, float]:
    """Returns the ends of some values, or of a range of a least length around their middle.

    Example:
        ```python
        assert least_range([0.5, 1.5], 4.0) == (-1.0, 3.0) and least_range([0.0, 5.0], 4.0) == (0.0, 5.0)
        ```
    """
    low, high = min(values), max(values)
    more = max(0.0, least - (high - low)) / 2
    return low - more, high + more


def label(value: object, most: int = _LONGEST) -> str:
    """Returns a name or a number as a label of one line.

    Example:
        ```python
        assert (label(0.012345), label("kernel")) == ("0.012", "kernel")
        ```
    """
    if type(value) is float:
        return f"{value:z.2g}"
    text = "".join(letter if letter.isprintable() else "?" for letter in str(value))
    return text if len(text) <= most else f"{text[: most - 1]}…"


def _value_labels(values: Sequence[Action]) -> tuple[str, ...]:
    """Returns labels of values; real numbers have as many digits as they need to differ."""
    numbers = sorted({value for value in values if type(value) is float and math.isfinite(value)})
    words = dict(zip(numbers, number_words(numbers), strict=True))
    return tuple(words[value] if type(value) is float and value in words else label(value) for value in values)


def _component(place: str, share: float) -> str:
    rounded = "under 1" if 0 < share < 0.005 else "over 99" if 0.995 < share < 1 else f"{100 * share:.0f}"
    return f"{place} component ({rounded} % of the variance)" if share else ""


def _edges(ranges: Sequence[NumberRange]) -> tuple[tuple[float, ...], tuple[str, ...]] | None:
    """Returns the places of labels between the parts of a range of real numbers, and the labels; None for others."""
    pairs = list(zip(ranges, ranges[1:], strict=False))
    if not pairs or type(ranges[0].low) is int or any(before.high > after.low for before, after in pairs):
        return None
    edges = [*(each.low for each in ranges), ranges[-1].high]
    least = -(-len(edges) // _MOST_LABELS)
    step = next((step for step in range(least, 2 * least) if len(ranges) % step == 0), least)
    at = range(0, len(edges), step)
    unsure = {end for end, its in ((0, ranges[0]), (len(ranges), ranges[-1])) if its.about}
    words = zip(at, number_words([edges[each] for each in at]), strict=True)
    return tuple(each - 0.5 for each in at), tuple(UNSURE * (each in unsure) + word for each, word in words)


def _middles(
    values: Sequence[object], labels: Sequence[str], ranges: Sequence[NumberRange] | None
) -> tuple[tuple[float, ...], tuple[str, ...]]:
    """Returns the places of labels at values, of which some are left out if the values are numbers, and the labels."""
    numeric = all(type(value) in (int, float) for value in values)
    at = range(0, len(values), max(1, -(-len(values) // _MOST_LABELS)) if numeric else 1)
    if ranges is None:
        return tuple(at), tuple(labels[each] for each in at)
    return tuple(at), tuple(UNSURE * ranges[each].about + ranges[each].words("–") for each in at)


def _steps(record: SearchRecord) -> tuple[tuple[int, float], ...]:
    pairs = zip(record.trials, record.incumbents, strict=True)
    return tuple((trial.number, best) for trial, best in pairs if best is not None and _drawable(best))


def _drawable(value: float | None) -> bool:
    """Returns whether axes can show a value: the difference of two must be a number too."""
    return value is not None and abs(value) < _LARGEST


def _limits(
    values: Sequence[float], maximise: bool, others: Sequence[tuple[int, float]]
) -> tuple[tuple[float, float] | None, int]:
    """Returns the least and the largest value to show, and the number of values that are left out.

    Args:
        values: The values of the trials.
        maximise: Whether a higher value is better.
        others: The best values of another search, of which the last is shown.
    """
    if len(values) < _LEAST_LIMITED:
        return None, 0
    best, middle = (max(values) if maximise else min(values)), float(np.median(values))
    far = middle - 3 * (best - middle)
    low, high = (max(far, min(values)), best) if maximise else (best, min(far, max(values)))
    known = [value for _, value in others[-1:]]
    low, high = min([low, *known]), max([high, *known])
    if not (high > low and np.isfinite(high - low)):
        return None, 0
    low, high = low - 0.05 * (high - low), high + 0.05 * (high - low)
    return (low, high), sum(not low <= value <= high for value in values)
