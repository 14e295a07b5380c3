"""Figures of the beliefs of an agent and of the course of a search.

Each function takes numbers of `transfernas.insight` and draws them into the axes that you give, or into a new figure,
and returns the axes. The colours are those of Okabe and Ito, which colour-blind readers can tell apart, and marks or
hatches differ as well.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from .extras import needed
from .insight.beliefs import Beliefs, ParameterBeliefs
from .insight.importances import Importance
from .insight.likeness import TaskMap
from .insight.progress import OTHERS, SearchRecord

with needed("plots", __name__):
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from matplotlib.lines import Line2D
    from matplotlib.ticker import MaxNLocator

BLUE, ORANGE, GREEN, PINK, RED, GREY = "#0072b2", "#e69f00", "#009e73", "#cc79a7", "#d55e00", "#767676"
PROPOSER_STYLES = {
    "policy": (BLUE, "o"),
    "new policy": (RED, "s"),
    "warm start": (GREEN, "^"),
    "exploring policy": (PINK, "D"),
    "surrogate": (ORANGE, "v"),
    OTHERS: (GREY, "x"),
}
"""The colour and the marker of each proposer."""

_WIDTH = 5.2  # inches, so that the text of a figure can be read on a phone
_MOST_LABELS = 6  # of the values of a number
_LONGEST = 24  # letters of a name
_MOST_BARS = 12
_LARGEST = 1e300
_LEAST_TOP = 0.25  # of an axis of probabilities
_LEAST_LIMITED = 8  # of fewer trials all are shown
_MOST_MARKS = 600  # of the trials of a search


def plot_values(parameter: ParameterBeliefs, axes: Axes | None = None) -> Axes:
    """Draws which values of a parameter the policy would draw now, and which were good in other problems.

    Args:
        parameter: of `agent.beliefs(problem)`.
        axes: to draw into; a new figure's by default.

    Returns:
        The axes: bars are the probabilities now, points the mean over the other problems, the line is chance.

    Example:
        `plot_values(agent.beliefs()["learning rate"]).figure.savefig("rate.svg")`
    """
    axes = _axes(axes, 2.6)
    values, places = parameter.values, np.arange(len(parameter.values))
    bars = [axes.bar(places, parameter.probabilities, width=0.8, color=BLUE, label="now")]
    lines = list[Line2D]()
    means = [np.mean([source.probabilities for source in parameter.sources], axis=0)] if parameter.sources else []
    if means:
        count = len(parameter.sources)
        label = "best 8 trials of " + ("the other problem" if count == 1 else f"each of {count} other problems")
        lines += axes.plot(places, means[0], "D", color=ORANGE, markeredgecolor="#1a1a1a", clip_on=False, label=label)
    lines.append(axes.axhline(1 / len(values), color=GREY, linestyle="--", linewidth=1, label="chance"))
    shown = places[:: max(1, -(-len(values) // _MOST_LABELS))] if _numeric(values) else places
    _ticks(axes, shown.tolist(), [_label(values[at]) for at in shown])
    axes.set_ylim(0, 1.1 * max(_LEAST_TOP, *(float(height) for height in np.ravel([parameter.probabilities, *means]))))
    axes.set_ylabel("probability")
    axes.set_xlabel(_label(parameter.name, 40), parse_math=False)
    _legend(axes, [*bars, *lines])
    return axes


def plot_importances(found: Beliefs | Mapping[str, Importance], axes: Axes | None = None) -> Axes:
    """Draws which parameters tell good trials from bad, the most telling first, at most twelve.

    Args:
        found: of `agent.beliefs(problem)`, or importances by the names of the parameters.
        axes: to draw into; a new figure's by default.

    Returns:
        The axes: bars are shares of all effects, in percent.
    """
    trials = "trials"
    if isinstance(found, Beliefs):
        trials = "this problem's trials" if found.importances_from == "this problem" else "other problems' trials"
        shares = {each.name: each.importance for each in found.parameters if each.importance is not None}
    else:
        shares = {name: its.share for name, its in found.items()}
    names = sorted(shares, key=lambda name: shares[name])[-_MOST_BARS:]
    axes = _axes(axes, 1.2 + 0.3 * max(2, len(names)))
    percent = [100 * shares[name] for name in names]
    bars = axes.barh(range(len(names)), percent, color=BLUE)
    axes.bar_label(bars, [f"{share:.0f} %" for share in percent], padding=3)
    _ticks(axes, range(len(names)), [_label(name) for name in names], vertical=True)
    axes.set(xlim=(0, 115), xticks=(0, 25, 50, 75, 100))
    axes.set_xlabel(f"share of all effects (%)\non the order of {trials}")
    if not names:
        _nothing(axes, "too few trials")
    return axes


def plot_likeness(beliefs: Beliefs, axes: Axes | None = None) -> Axes:
    """Draws how like the other problems are to this one, the most like at the top.

    Args:
        beliefs: of `agent.beliefs(problem)`.
        axes: to draw into; a new figure's by default.

    Returns:
        The axes: circles are cosines of the tasks' embeddings, diamonds rank correlations of the values tried in both.
    """
    near = list(reversed(beliefs.likeness[:_MOST_BARS]))
    axes = _axes(axes, 1.3 + 0.3 * max(2, len(near)))
    axes.axvline(0, color=GREY, linewidth=1)
    rows: dict[str, list[tuple[float, int]]] = {"cosine": [], "agreement": []}
    for row, each in enumerate(near):
        for name, found in rows.items():
            if (value := getattr(each, name)) is not None:
                found.append((value, row))
    for (name, found), (colour, marker, label) in zip(
        rows.items(), ((BLUE, "o", "what the policy learned"), (ORANGE, "D", "which values were good")), strict=True
    ):
        if found:
            axes.plot(*zip(*found, strict=True), marker, color=colour, label=label, gid=name)
    _ticks(axes, range(len(near)), [_label(each.task) for each in near], vertical=True)
    axes.set(xlim=(-1.05, 1.05), ylim=(-0.6, len(near) - 0.4 if near else 0.6))
    axes.set_xlabel("likeness: -1 opposite, 0 unrelated, 1 alike")
    axes.grid(axis="x", alpha=0.3)
    if near:
        _legend(axes)
    else:
        _nothing(axes, "no other problems")
    return axes


def plot_progress(record: SearchRecord, against: SearchRecord | None = None, axes: Axes | None = None) -> Axes:
    """Draws the value of each trial with its proposer, and the best value so far.

    The axis leaves out the worst values where they would hide the others. Of more than 600 trials some are marked,
    spread evenly.

    Args:
        record: of the search.
        against: another search, of which only the best value so far is drawn.
        axes: to draw into; a new figure's by default.

    Returns:
        The axes: marks are trials, the line is the best value so far, the dashed line that of the other search.
    """
    axes = _axes(axes, 3.4)
    valued = [trial for trial in record.trials if _drawable(trial.value)]
    shown = valued[:: max(1, -(-len(valued) // _MOST_MARKS))]
    for kind in dict.fromkeys((*PROPOSER_STYLES, *(trial.kind for trial in record.trials))):
        its = [trial for trial in shown if trial.kind == kind]
        colour, marker = PROPOSER_STYLES.get(kind, (GREY, "x"))
        if its:
            points = [trial.number for trial in its], [float(trial.value or 0.0) for trial in its]
            axes.plot(*points, marker, color=colour, markersize=4.5, label=_label(kind))
    _steps(axes, record, "best so far", BLUE, "-")
    if against is not None:
        _steps(axes, against, f"best of {_label(against.name)}", GREY, "--")
    values = [trial.value for trial in valued if trial.value is not None]
    outside = _limit(axes, values, record.maximise, () if against is None else against.incumbents)
    words = "" if not outside else f" ({outside} worse {'one is' if outside == 1 else 'ones are'} outside)"
    axes.set(xlabel=f"number of the trial, from 0{words}")
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    axes.set_ylabel(f"{_label(record.quantity)} ({record.direction})", parse_math=False)
    axes.grid(alpha=0.3)
    if values:
        _legend(axes)
    else:
        _nothing(axes, "no finished trial")
    return axes


def plot_curves(
    curves: Mapping[str, tuple[Sequence[int], Sequence[Sequence[float]]]],
    quantity: str = "best value so far",
    axes: Axes | None = None,
) -> Axes:
    """Draws several searches, each as the mean of its repetitions.

    Args:
        curves: by name the numbers of trials, and for each repetition the values after them; at most six.
        quantity: what the values are.
        axes: to draw into; a new figure's by default.

    Returns:
        The axes: a line for each search.
    """
    axes = _axes(axes, 3.4)
    lines = ("-", "--", "-.", ":", (0, (5, 1)), (0, (1, 1)))
    styles = zip((BLUE, RED, GREEN, PINK, GREY, ORANGE), lines, strict=True)
    first = {"transfer": 0, "scratch": 1}  # they have one colour in all figures
    ordered = sorted(curves.items(), key=lambda item: first.get(item[0], len(first)))
    for (name, (trials, values)), (colour, line) in zip(ordered, styles, strict=False):
        axes.plot(list(trials), np.mean(values, axis=0), color=colour, linestyle=line, label=_label(name))
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    axes.set_xlabel("trials")
    axes.set_ylabel(f"{quantity} (higher is better)", parse_math=False)
    axes.grid(alpha=0.3)
    if curves:
        _legend(axes)
    return axes


def plot_tasks(tasks: TaskMap, task: str | None = None, axes: Axes | None = None) -> Axes:
    """Draws tasks as points: near one another are tasks for which the policy acts alike.

    Args:
        tasks: of `agent.beliefs(problem).tasks`.
        task: the one to draw in another colour.
        axes: to draw into; a new figure's by default.

    Returns:
        The axes; both have one scale.
    """
    axes = _axes(axes, 3.6)
    for name, (x, y) in zip(tasks.tasks, tasks.places, strict=True):
        colour, marker = (RED, "D") if name == task else (BLUE, "o")
        axes.plot([x], [y], marker, color=colour)
        if len(tasks.tasks) <= 20 or name == task:
            axes.annotate(_label(name), (x, y), (5, 4), textcoords="offset points", fontsize=9, parse_math=False)
    first, second = (f"{100 * share:.0f} % of the variance" for share in tasks.explained)
    axes.set(xlabel=f"first component ({first})", ylabel=f"second component\n({second})")
    axes.set_aspect("equal", adjustable="datalim")
    axes.margins(0.25)
    axes.locator_params(nbins=6)
    axes.grid(alpha=0.3)
    return axes


def _axes(axes: Axes | None, height: float) -> Axes:
    return Figure(figsize=(_WIDTH, height), layout="constrained").subplots() if axes is None else axes


def _steps(axes: Axes, record: SearchRecord, label: str, colour: str, line: str) -> None:
    pairs = zip(record.trials, record.incumbents, strict=True)
    found = [(trial.number, best) for trial, best in pairs if best is not None and _drawable(best)]
    if found:
        axes.step(*zip(*found, strict=True), where="post", color=colour, linestyle=line, linewidth=1.6, label=label)


def _drawable(value: float | None) -> bool:
    """Returns whether axes can show a value: the difference of two must be a number too."""
    return value is not None and abs(value) < _LARGEST


def _limit(axes: Axes, values: Sequence[float], maximise: bool, others: Sequence[float | None]) -> int:
    """Leaves out the values that are worse than the good half by more than three times its width.

    Args:
        axes: to limit.
        values: of the trials.
        maximise: whether a higher value is better.
        others: the best values so far of another search; the best of them is shown.

    Returns:
        How many of the values are left out.
    """
    if len(values) < _LEAST_LIMITED:
        return 0
    best, middle = (max(values) if maximise else min(values)), float(np.median(values))
    far = middle - 3 * (best - middle)
    low, high = (max(far, min(values)), best) if maximise else (best, min(far, max(values)))
    outside = sum(not low <= value <= high for value in values)
    known = [other for other in others if other is not None and _drawable(other)]
    low, high = min([low, *known[-1:]]), max([high, *known[-1:]])
    if not (high > low and np.isfinite(high - low)):
        return 0
    axes.set_ylim(low - 0.05 * (high - low), high + 0.05 * (high - low))
    return outside


def _ticks(axes: Axes, places: Sequence[int] | range, labels: list[str], vertical: bool = False) -> None:
    if vertical:
        axes.set_yticks(list(places), labels, parse_math=False)
    elif sum(map(len, labels)) > 48:
        axes.set_xticks(list(places), labels, parse_math=False, rotation=30, ha="right")
    else:
        axes.set_xticks(list(places), labels, parse_math=False)


def _legend(axes: Axes, handles: Sequence[Any] | None = None) -> None:
    """Puts the legend above the axes, where it hides nothing."""
    how = {"fontsize": 9, "frameon": False, "ncols": 2, "columnspacing": 1.2, "handlelength": 1.6}
    shown = axes.get_legend_handles_labels()[0] if handles is None else handles
    legend = axes.legend(handles=shown, loc="lower left", bbox_to_anchor=(0, 1), **how)
    for text in legend.get_texts():
        text.set_parse_math(False)


def _nothing(axes: Axes, words: str) -> None:
    axes.text(0.5, 0.5, words, ha="center", va="center", transform=axes.transAxes)


def _numeric(values: Sequence[object]) -> bool:
    return all(type(value) in (int, float) for value in values)


def _label(value: object, most: int = _LONGEST) -> str:
    """Returns a name or a number as a label of one line."""
    if type(value) is float:
        return f"{value:.2g}"
    text = "".join(letter if letter.isprintable() else "?" for letter in str(value))
    return text if len(text) <= most else f"{text[: most - 1]}…"
