"""Figures of the beliefs of an agent and of the course of a search.

Each function takes numbers of `transfernas.insight` and draws them into the axes that you give, or into a new figure,
and returns the axes. The colours are those of Okabe and Ito, which colour-blind readers can tell apart, and marks or
hatches differ as well.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from .extras import needed
from .insight.attention import DecisionAttention
from .insight.beliefs import Beliefs, ParameterBeliefs
from .insight.expected_rows import expected_rows
from .insight.figure_data import (
    BLUE,
    BY_CHANCE,
    EARLY,
    GREEN,
    GREY,
    ORANGE,
    PINK,
    PROPOSER_STYLES,
    RED,
    attention_table,
    importance_shares,
    label,
    likeness_points,
    map_points,
    search_curve,
    value_shares,
)
from .insight.importances import Importance
from .insight.plane import EmbeddingMap
from .insight.progress import SearchRecord
from .plot_parts import add_legend, draw_plane, draw_rows, draw_steps, new_axes, say_nothing, set_ticks

with needed("plots", __name__):
    from matplotlib.axes import Axes
    from matplotlib.colors import LinearSegmentedColormap, to_rgba
    from matplotlib.lines import Line2D
    from matplotlib.ticker import MaxNLocator

_SHADES = LinearSegmentedColormap.from_list("shades", [to_rgba(BLUE, 0.0), to_rgba(BLUE, 0.65)], N=40)
"""Shades on which text can be read on light and on dark paper. The scale of 50 shades or more would be no SVG."""

_LEAST_TOP = 0.25  # of an axis of probabilities
_MOST_WRITTEN = 8  # decisions, up to which each weight of attention is written
_MOST_NAMED = 24  # decisions, up to which each has its name


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
    axes, found = new_axes(axes, 2.6), value_shares(parameter)
    places = range(len(found.labels))
    bars = [axes.bar(places, found.now, width=0.8, color=BLUE, label="now")]
    lines = list[Line2D]()
    if found.before is not None:
        how: dict[str, Any] = {
            "color": ORANGE,
            "markeredgecolor": "#1a1a1a",
            "clip_on": False,
            "label": found.before_label,
        }
        lines += axes.plot(places, found.before, "D", **how)
    lines.append(axes.axhline(found.chance, color=GREY, linestyle="--", linewidth=1.4, label="chance"))
    set_ticks(axes, found.ticks, list(found.tick_labels))
    axes.set_ylim(0, 1.1 * max(_LEAST_TOP, *found.now, *(found.before or ())))
    axes.set_ylabel("probability")
    axes.set_xlabel(label(parameter.name, 40), parse_math=False)
    add_legend(axes, [*bars, *lines])
    return axes


def plot_importances(found: Beliefs | Mapping[str, Importance], axes: Axes | None = None) -> Axes:
    """Draws which parameters tell good trials from bad, the most telling first, at most twelve.

    Args:
        found: of `agent.beliefs(problem)`, or importances by the names of the parameters.
        axes: to draw into; a new figure's by default.

    Returns:
        The axes: bars are shares of all effects, in percent; they are grey if the effects are too weak to tell.
    """
    names, shares, trials, weak = importance_shares(found)
    percent = [100 * share for share in shares]
    axes = new_axes(axes, 1.2 + 0.3 * max(2, len(names)))
    bars = axes.barh(range(len(names)), percent, color=GREY if weak else BLUE)
    axes.bar_label(bars, [f"{share:.0f} %" for share in percent], padding=3)
    set_ticks(axes, range(len(names)), [label(name) for name in names], vertical=True)
    axes.set(xlim=(0, 115), xticks=(0, 25, 50, 75, 100))
    axes.set_xlabel(f"share of all effects (%)\non the order of {trials}")
    if weak:
        axes.set_title("too weak to tell", fontsize=10, loc="left")
    if not names:
        say_nothing(axes, "too few trials")
    return axes


def plot_likeness(beliefs: Beliefs, axes: Axes | None = None) -> Axes:
    """Draws how like the other problems are to this one, the most like at the top.

    Args:
        beliefs: of `agent.beliefs(problem)`.
        axes: to draw into; a new figure's by default.

    Returns:
        The axes: circles are cosines of the tasks' embeddings, hollow ones where these say nothing yet; diamonds are
        rank correlations of the values tried in both, hollow ones where chance alone may give them.
    """
    tasks, cosine, agreement, early, by_chance = likeness_points(beliefs)
    axes = new_axes(axes, 1.3 + 0.3 * max(2, len(tasks)))
    axes.axvline(0, color=GREY, linewidth=1)
    how: dict[str, Any]
    if cosine:
        axes.plot(*zip(*cosine, strict=True), "o", color=BLUE, label="what the policy learned", gid="cosine")
    if early:
        how = {"color": BLUE, "markerfacecolor": "none", "label": EARLY, "gid": "early"}
        axes.plot(*zip(*early, strict=True), "o", **how)
    if agreement:
        axes.plot(*zip(*agreement, strict=True), "D", color=ORANGE, label="which values were good", gid="agreement")
    if by_chance:
        how = {"color": ORANGE, "markerfacecolor": "none", "label": BY_CHANCE, "gid": "chance"}
        axes.plot(*zip(*by_chance, strict=True), "D", **how)
    set_ticks(axes, range(len(tasks)), [label(task) for task in tasks], vertical=True)
    axes.set(xlim=(-1.05, 1.05), ylim=(-0.6, len(tasks) - 0.4 if tasks else 0.6))
    axes.set_xlabel("likeness: -1 opposite, 0 unrelated, 1 alike")
    axes.grid(axis="x", alpha=0.3)
    if tasks:
        add_legend(axes)
    else:
        say_nothing(axes, "no other problems")
    return axes


def plot_expected_best(beliefs: Beliefs, axes: Axes | None = None) -> Axes:
    """Draws the configurations that the policy ranks highest, at most twelve of their parameters.

    Args:
        beliefs: of `agent.beliefs(problem)`.
        axes: to draw into; a new figure's by default.

    Returns:
        The axes: each row is a parameter with its own range, from its least to its largest value, and the parts of the
        row are the values that the policy tells apart. Each configuration has its mark, by its rank, and the value of
        the first one stands beside the row. Of many categories, those that no configuration has are one part.

    Example:
        `plot_expected_best(agent.beliefs()).figure.savefig("expected.svg")`
    """
    return draw_rows(expected_rows(beliefs), axes)


def plot_progress(record: SearchRecord, against: SearchRecord | None = None, axes: Axes | None = None) -> Axes:
    """Draws the value of each trial with its proposer, and the best value so far.

    The axis leaves out the worst values where they would hide the others; hollow marks at the edge stand for their
    trials. Of more than 600 trials some are marked, spread evenly.

    Args:
        record: of the search.
        against: another search, of which only the best value so far is drawn.
        axes: to draw into; a new figure's by default.

    Returns:
        The axes: marks are trials, the line is the best value so far, the dashed line that of the other search.
    """
    axes, found = new_axes(axes, 3.4), search_curve(record, against)
    for kind, trials in found.trials.items():
        colour, marker = PROPOSER_STYLES.get(kind, (GREY, "x"))
        points = [trial.number for trial in trials], [float(trial.value or 0.0) for trial in trials]
        # Above the line of the best value, which would hide the trials on it.
        axes.plot(*points, marker, color=colour, markersize=4.5, label=label(kind), zorder=2.1)
        if beyond := [trial.number for trial in found.beyond(kind)]:
            how: dict[str, Any] = {"color": colour, "markerfacecolor": "none", "markersize": 5.5, "label": "_outside"}
            how |= {"transform": axes.get_xaxis_transform(), "clip_on": False, "zorder": 2.1}
            axes.plot(beyond, [0 if record.maximise else 1] * len(beyond), marker, **how)
    draw_steps(axes, found.best, "best so far", BLUE, "-")
    if against is not None:
        draw_steps(axes, found.against, f"best of {label(against.name)}", GREY, "--")
    if found.limits is not None:
        axes.set_ylim(*found.limits)
    axes.set(xlabel=f"number of the trial, from 0{found.outside_words}")
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    axes.set_ylabel(f"{label(record.quantity)} ({record.direction})", parse_math=False)
    axes.grid(alpha=0.3)
    if found.trials:
        add_legend(axes)
    else:
        say_nothing(axes, "no finished trial")
    return axes


def plot_curves(
    curves: Mapping[str, tuple[Sequence[int], Sequence[Sequence[float | None]]]],
    quantity: str = "best value so far",
    axes: Axes | None = None,
    lower_is_better: bool = False,
) -> Axes:
    """Draws several searches, each as the mean of its repetitions.

    Args:
        curves: by name the numbers of trials, and for each repetition the values after them; at most seven. A value may
            be None.
        quantity: what the values are.
        axes: to draw into; a new figure's by default.
        lower_is_better: whether a lower value is better.

    Returns:
        The axes: a line for each search.
    """
    axes = new_axes(axes, 3.4)
    lines = ("-", "--", "-.", ":", (0, (5, 1)), (0, (1, 1)), (0, (3, 1, 1, 1)))
    styles = zip((BLUE, RED, GREEN, PINK, GREY, ORANGE, "#1a1a1a"), lines, strict=True)
    first = {"transfer": 0, "scratch": 1}  # they have one colour in all figures
    ordered = sorted(curves.items(), key=lambda item: first.get(item[0], len(first)))
    for (name, (trials, values)), (colour, line) in zip(ordered, styles, strict=False):
        axes.plot(list(trials), np.array(values, float).mean(axis=0), color=colour, linestyle=line, label=label(name))
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    axes.set_xlabel("trials")
    axes.set_ylabel(f"{quantity} ({'lower' if lower_is_better else 'higher'} is better)", parse_math=False)
    axes.grid(alpha=0.3)
    if curves:
        add_legend(axes)
    return axes


def plot_tasks(tasks: EmbeddingMap, task: str | None = None, axes: Axes | None = None) -> Axes:
    """Draws tasks as points: near one another are tasks for which the policy acts alike.

    Args:
        tasks: of `agent.beliefs(problem).tasks`, or of `insight.plane.task_map(agent.learner)`.
        task: the one to draw in another colour.
        axes: to draw into; a new figure's by default.

    Returns:
        The axes; both have one scale, which shows at least the mean length of the embeddings, so that near tasks lie
        near one another. Tasks on one point have equal embeddings. An axis without meaning has no numbers:
        two tasks lie on a line, and a single task has no distance to another one.
    """
    return draw_plane(map_points(tasks, "task", task), axes)


def plot_spaces(spaces: EmbeddingMap, space: str | None = None, axes: Axes | None = None) -> Axes:
    """Draws search spaces as points, by the embeddings of the actions that the paper's start state has.

    Args:
        spaces: of `agent.beliefs(problem).spaces`, or of `insight.plane.space_map(agent.learner)`.
        space: the one to draw in another colour.
        axes: to draw into; a new figure's by default.

    Returns:
        The axes, as of `plot_tasks`.
    """
    return draw_plane(map_points(spaces, "space", space), axes)


def plot_attention(attention: DecisionAttention | None, layer: int = 0, axes: Axes | None = None) -> Axes:
    """Draws which earlier choices the policy attends to at each decision of a configuration.

    Args:
        attention: of `agent.beliefs(problem, attention=config).attention`.
        layer: the number of the layer of attention, from 0.
        axes: to draw into; a new figure's by default.

    Returns:
        The axes: each row is a decision, and its weights, in percent, sum to 100. With several heads, weights are
        their means.

    Raises:
        ValueError: there is no such layer, or the beliefs have no attention.

    Example:
        `plot_attention(agent.beliefs(attention=agent.best().config).attention).figure.savefig("attention.svg")`
    """
    if attention is None:
        raise ValueError(
            "the beliefs have no attention; ask for it, as in agent.beliefs(attention=agent.best().config)"
        )
    decisions, tokens, weights = attention_table(attention, layer)
    axes = new_axes(axes, min(6.5, 2.2 + 0.35 * len(decisions)))
    edges = (np.arange(size + 1) - 0.5 for size in (len(tokens), len(decisions)))
    how: dict[str, Any] = {"cmap": _SHADES, "vmin": 0, "vmax": 100 * float(np.nanmax(weights))}
    picture = axes.pcolormesh(*edges, np.ma.masked_invalid(100 * weights), **how)
    axes.invert_yaxis()
    if len(decisions) <= _MOST_WRITTEN:
        for row, column in zip(*np.nonzero(~np.isnan(weights)), strict=True):
            axes.text(column, row, f"{100 * weights[row, column]:.0f}", ha="center", va="center")
    else:
        drawn = axes.get_figure(root=True)
        assert drawn is not None
        drawn.colorbar(picture, ax=axes)
    step = -(-len(decisions) // _MOST_NAMED)
    how = {"rotation": 30, "ha": "right"} if len(tokens) <= 6 else {"rotation": 90, "fontsize": 8}
    axes.set_xticks(range(0, len(tokens), step), tokens[::step], parse_math=False, **how)
    axes.set_yticks(range(0, len(decisions), step), decisions[::step], parse_math=False)
    axes.set(xlabel="attends to the choice", ylabel="the decision about")
    which = "" if len(attention.weights) == 1 else f", layer {layer + 1} of {len(attention.weights)}"
    axes.set_title(f"attention in %, each row sums to 100{which}", fontsize=10, loc="left")
    return axes
