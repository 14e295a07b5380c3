"""Draws figures of results, independently of the experiments."""

import io
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
from jaxtyping import Float

from transfernas.extras import needed
from transfernas.files import write_atomically

from .experiments.number_ranking import NumberRanking
from .experiments.ranking import MethodRanking
from .experiments.result import Curve, Result
from .experiments.statistics import Reached, mean_interval, moving_average

with needed("plots", __name__):
    import matplotlib
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

# Both colour and line style distinguish the curves (Okabe and Ito's colours, safe for colour-blind readers).
STYLES = {
    "transformer": ("#0072B2", "-", "Transformer"),
    "transformer, one head": ("#009E73", ":", "Transformer, one head"),
    "transformer, paper's settings": ("#555555", "-.", "Transformer, the paper's settings"),
    "lstm": ("#D55E00", "--", "LSTM"),
    "transfer": ("#0072B2", "-", "agent, transferred"),
    "scratch": ("#D55E00", "--", "agent, from scratch"),
    "evolution": ("#009E73", "-.", "regularized evolution"),
    "random": ("#555555", ":", "random search"),
    "tpe": ("#CC79A7", (0, (5, 1)), "TPE"),
}
# Styles of a comparison: a seeded method has the line style of the method from scratch, in another colour.
METHOD_STYLES = STYLES | {
    "tpe seeded": ("#882255", (0, (5, 1)), "TPE, from the sources' best"),
    "evolution seeded": ("#E69F00", "-.", "evolution, from the sources' best"),
    "gp": ("#56B4E9", ":", "Gaussian process"),
    "agent": ("#0072B2", "-", "agent"),
    "policy alone": ("#D55E00", "--", "agent without its Gaussian process"),
    "tpe group": ("#882255", "-.", "TPE, multivariate with groups"),
    "cmaes": ("#009E73", (0, (3, 1, 1, 1)), "CMA-ES"),
}

Ranking = MethodRanking | NumberRanking
"""Ranking of a method on scenarios of the suite of tables, or on problems of numbers."""


class RegretLabels(NamedTuple):
    """Texts of a figure of regrets.

    Attributes:
        title: Title of the figure, with the number of replicas as {replicas}.
        axis: Label of the vertical axis.
        unit: Factor of the regrets at the ticks, 100 for percent.
        smallest: Smaller regrets are drawn at the lower end of the vertical axis.
        noun: Name of a scenario.
    """

    title: str
    axis: str
    unit: int
    smallest: float
    noun: str


NORMALISED = RegretLabels(
    "regret of the best configuration so far: 0 % at the best one of the space, 100 % at the median one\n"
    "mean of the scenarios and of {replicas} replicas, 95 % interval",
    "regret (%)",
    100,
    1e-4,
    "scenario",
)
AS_MULTIPLE = RegretLabels(
    "regret of the best trial so far as a multiple of TPE's after as many trials; below 1 is better\n"
    "geometric mean over the problems of the medians of {replicas} replicas, 95 % interval\n"
    "a regret below 0.1 % of TPE's after 10 trials counts as 0.1 %",
    "multiple of TPE's regret",
    1,
    1e-4,
    "problem",
)

_SETTLED = 5  # the trial at which the axes of the larger figures start
_RANKED = (20, 100, 200)  # trials after which ranks are shown
# Steps of the ticks of regrets in a decade; an axis has the first of these that give it two ticks.
_STEPS = ((1, 2, 5), (1, 1.5, 2, 3, 5, 7), (1, 1.2, 1.4, 1.6, 1.8, 2, 3, 4, 5, 6, 7, 8, 9))
_REGRETS = (0.05, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.8, 1, 2, 5)


def draw_incumbents(path: Path, curves: Mapping[str, Curve], title: str, quantity: str, lowest: float) -> Path:
    """Draws the mean of each curve over the trials, with its 95 % interval.

    Args:
        path: Path of the file.
        curves: Curves by name; accuracies in [0, 1], drawn in percent.
        title: Title of the figure.
        quantity: Label of the vertical axis.
        lowest: Lower end of the vertical axis in percent, which cuts off the first few trials.

    Returns:
        The path.
    """
    figure = Figure(figsize=(7.5, 4.8), dpi=150, layout="constrained")
    axes = figure.subplots()
    for name, curve in curves.items():
        _draw_mean(axes, name, 100 * curve.values)
    _trials_axis(axes, max(curve.values.shape[1] for curve in curves.values()))
    axes.set(ylabel=quantity, title=title)
    axes.set_ylim(bottom=lowest)
    axes.legend(loc="lower right")
    return _written(figure, path)[0]


def draw_reproduction(path: Path, result: Result, data: str, best: float) -> list[Path]:
    """Draws the paper's figure 5: validation accuracy, test accuracy and regret of the incumbent; trials to a target.

    Args:
        path: Path of the files, without suffix.
        result: Result of the experiment on NAS-Bench-101.
        data: Name of the data, for the title.
        best: Best test accuracy of the space, in [0, 1].

    Returns:
        Paths of a PNG and an SVG.
    """
    figure = Figure(figsize=(11, 8), dpi=150, layout="constrained")
    (validation, test), (regret, needed) = figure.subplots(2, 2)
    longest = 1
    for name, curve in result.curves.items():
        assert curve.test is not None
        _draw_mean(validation, name, 100 * curve.values)
        _draw_mean(test, name, 100 * curve.test)
        _draw_mean(regret, name, 100 * (best - curve.test))
        _draw_reached(needed, name, [named.reached for named in result.reached if named.name == name])
        longest = max(longest, curve.values.shape[1])
    for axes in (validation, test, regret):
        _trials_axis(axes, longest)
        axes.set_xlim(left=min(_SETTLED, longest))
    validation.set(ylabel="validation accuracy (%)", title="best cell so far: validation accuracy")
    _limit(validation, [100 * curve.values for curve in result.curves.values()])
    test.set(ylabel="test accuracy (%)", title="the same cell: test accuracy")
    tests = [100 * curve.test for curve in result.curves.values() if curve.test is not None]
    _limit(test, tests)
    regret.set(ylabel="test regret (points)", title=f"the same cell: what it lacks of the best, {100 * best:.2f} %")
    regret.set_yscale("log")
    regret.set_yticks(_REGRETS, [f"{tick:g}" for tick in _REGRETS])
    regret.minorticks_off()
    _limit(regret, [100 * best - values for values in tests])
    needed.set(xlabel="mean validation accuracy (%)", ylabel="trials", title="trials needed to reach it")
    needed.grid(alpha=0.3)
    if result.reached:
        needed.set_yscale("log")
    validation.legend(loc="lower right")
    replicas = max(len(curve.values) for curve in result.curves.values())
    figure.suptitle(f"{data}: mean of {replicas} replicas, 95 % interval", fontsize=12)
    return _written(figure, path.with_suffix(".png"), path.with_suffix(".svg"))


def draw_averages(path: Path, curves: Mapping[str, Curve], window: int, title: str) -> list[Path]:
    """Draws the paper's figure 3: moving averages of rewards, mean of the replicas with its 68 % interval.

    Args:
        path: Path of the files, without suffix.
        curves: Rewards by name; curves with fewer trials than the window are left out.
        window: Number of trials of the moving average.
        title: Title of the figure.

    Returns:
        Paths of a PNG and an SVG.
    """
    figure = Figure(figsize=(7.5, 4.8), dpi=150, layout="constrained")
    axes = figure.subplots()
    for name, curve in curves.items():
        if curve.values.shape[1] < window:
            continue
        _draw_mean(axes, name, moving_average(curve.values, window)[:, window - 1 :], first=window, confidence=0.68)
    axes.set(xlabel="trials", ylabel=f"mean reward of the last {window} trials", title=title)
    axes.set_ylim(0, 1.02)
    axes.grid(alpha=0.3)
    axes.legend(loc="lower right")
    return _written(figure, path.with_suffix(".png"), path.with_suffix(".svg"))


def draw_attention(path: Path, attention: Float[np.ndarray, "replicas positions positions"]) -> list[Path]:
    """Draws the paper's figure 4: the attention of the action in each state to the earlier actions.

    Args:
        path: Path of the files, without suffix.
        attention: Shape `[replicas, positions, positions]`; position 0 is S.

    Returns:
        Paths of a PNG and an SVG.
    """
    mean = attention.mean(axis=0)
    names = ["S", *(f"S{number}" for number in range(1, len(mean)))]
    figure = Figure(figsize=(6.2, 5.2), dpi=150, layout="constrained")
    axes = figure.subplots()
    shown = np.where(np.tri(len(mean), dtype=bool), mean, np.nan)[1:]
    picture = axes.imshow(shown, cmap="viridis", vmin=0, vmax=np.nanmax(shown))
    for row, column in zip(*np.nonzero(~np.isnan(shown)), strict=True):
        dark = shown[row, column] < 0.6 * np.nanmax(shown)
        colour = "white" if dark else "black"
        axes.text(column, row, f"{shown[row, column]:.2f}", ha="center", va="center", color=colour, fontsize=8)
    axes.set_xticks(range(len(mean)), names)
    axes.set_yticks(range(len(mean) - 1), names[1:])
    axes.set(xlabel="attends to the action in", ylabel="the action in")
    axes.set_title(f"attention of the first layer, optimal sequences,\nmean of {len(attention)} replicas")
    figure.colorbar(picture, ax=axes, label="attention weight (a row sums to 1)")
    return _written(figure, path.with_suffix(".png"), path.with_suffix(".svg"))


def draw_regrets(
    path: Path, rankings: Sequence[Ranking], replicas: int, labels: RegretLabels = NORMALISED
) -> list[Path]:
    """Draws the regret of each method over the trials, with a panel for each kind of scenario.

    Args:
        path: Path of the files, without suffix.
        rankings: Rankings of the methods, by kind.
        replicas: Number of replicas of each search.
        labels: Texts of the figure, by default those of the mean normalised regret.

    Returns:
        Paths of a PNG and an SVG.
    """
    kinds = list(dict.fromkeys(row.kind for row in rankings))
    columns = min(len(kinds), 4)
    rows = -(-len(kinds) // columns)
    figure = Figure(figsize=(max(3.7 * columns, 7), 3.6 * rows + 0.9), dpi=150, layout="constrained")
    panels = figure.subplots(rows, columns, squeeze=False).ravel()
    for axes, kind in zip(panels, kinds, strict=False):
        here = [row for row in rankings if row.kind == kind]
        for method in dict.fromkeys(row.method for row in here):
            _draw_regret(axes, method, [row for row in here if row.method == method])
        _trials_axis(axes, max(row.trials for row in here), steps=(1, 5))
        # The scale is that of the second trial on; smaller regrets look like 0.
        shown = [max(row.regret.mean, labels.smallest) for row in here if row.trials >= min(2, here[-1].trials)]
        finite = [regret for regret in shown if np.isfinite(regret)] or [1.0]
        _regret_axis(axes, 0.75 * min(finite), 1.3 * max(finite), labels.unit)
        axes.set_title(f"{kind} ({_counted(here[0].scenarios, labels.noun)})", fontsize=10)
    for axes in panels[len(kinds) :]:
        axes.set_axis_off()
    for axes in panels[::columns]:
        axes.set_ylabel(labels.axis)
    drawn = {label: handle for axes in panels for handle, label in zip(*axes.get_legend_handles_labels(), strict=True)}
    figure.legend([*drawn.values()], [*drawn], loc="outside lower center", ncols=4, fontsize=9)
    figure.suptitle(labels.title.format(replicas=replicas), fontsize=11)
    return _written(figure, path.with_suffix(".png"), path.with_suffix(".svg"))


def draw_ranks(
    path: Path,
    rankings: Sequence[Ranking],
    replicas: int,
    noun: str = "scenario",
    trials: Sequence[int] = _RANKED,
) -> list[Path]:
    """Draws the mean rank of each method over all scenarios, with a panel for each number of trials.

    Args:
        path: Path of the files, without suffix.
        rankings: Rankings of the methods; those of the first kind are drawn.
        replicas: Number of replicas of each search.
        noun: Name of a scenario.
        trials: Numbers of trials; without rankings after any of them, the last number of trials is drawn.

    Returns:
        Paths of a PNG and an SVG.
    """
    here = [row for row in rankings if row.kind == rankings[0].kind]
    methods = list(dict.fromkeys(row.method for row in here))
    counts = sorted({row.trials for row in here} & set(trials)) or [max(row.trials for row in here)]
    figure = Figure(figsize=(3.4 + 2.6 * len(counts), 1.6 + 0.42 * len(methods)), dpi=150, layout="constrained")
    panels = figure.subplots(1, len(counts), squeeze=False, sharey=True, sharex=True)[0]
    for axes, count in zip(panels, counts, strict=True):
        for row in here:
            if row.trials == count:
                colour, place = METHOD_STYLES[row.method][0], methods.index(row.method)
                axes.hlines(place, row.rank.low, row.rank.high, color=colour, linewidth=2.5, alpha=0.5)
                axes.plot(row.rank.mean, place, "o", color=colour)
                axes.annotate(
                    f"{row.rank.mean:.2f}",
                    (row.rank.mean, place),
                    (0, 6),
                    textcoords="offset points",
                    ha="center",
                    fontsize=8,
                )
        axes.set(xlabel="mean rank (1 is best)", title=f"after {count} trials")
        axes.grid(alpha=0.3, axis="x")
    panels[0].set_yticks(range(len(methods)), [METHOD_STYLES[method][2] for method in methods])
    panels[0].set_ylim(len(methods) - 0.4, -0.7)
    size = f"{_counted(here[0].scenarios, noun)} and {replicas} replicas"
    figure.suptitle(f"rank by the best configuration so far\nmean of {size}, 95 % interval", fontsize=11)
    return _written(figure, path.with_suffix(".png"), path.with_suffix(".svg"))


def _draw_regret(axes: Axes, method: str, rows: Sequence[Ranking]) -> None:
    colour, line, label = METHOD_STYLES[method]
    trials, regrets = [row.trials for row in rows], np.array([row.regret for row in rows])
    axes.plot(trials, regrets[:, 0], color=colour, linestyle=line, label=label, linewidth=1.8)
    axes.fill_between(trials, regrets[:, 1], regrets[:, 2], color=colour, alpha=0.12, linewidth=0)


def _draw_mean(
    axes: Axes, name: str, values: Float[np.ndarray, "replicas trials"], first: int = 1, confidence: float = 0.95
) -> None:
    colour, line, label = STYLES[name]
    trials = np.arange(first, first + values.shape[1])
    intervals = np.array([mean_interval(column, confidence) for column in values.T])
    axes.plot(trials, intervals[:, 0], color=colour, linestyle=line, label=label, linewidth=1.8)
    axes.fill_between(trials, intervals[:, 1], intervals[:, 2], color=colour, alpha=0.15, linewidth=0)


def _draw_reached(axes: Axes, name: str, reached: Sequence[Reached]) -> None:
    colour, line, label = STYLES[name]
    there = np.array([(100 * each.target, each.trials) for each in reached if each.trials is not None]).reshape(-1, 2)
    axes.plot(*there.T, color=colour, linestyle=line, label=label, marker="o", markersize=3)
    bounds = [(100 * each.target, each.low, each.high) for each in reached if each.low and each.high]
    axes.fill_between(*np.array(bounds).reshape(-1, 3).T, color=colour, alpha=0.15, linewidth=0)


def _counted(count: int, noun: str) -> str:
    return f"{count} {noun}" if count == 1 else f"{count} {noun}s"


def _regret_axis(axes: Axes, low: float, high: float, unit: int) -> None:
    axes.set_yscale("log")
    for steps in _STEPS if high < 1_000 * low else [(1,)]:
        ticks = [base * 10.0**power for power in range(-4, 5) for base in steps]
        if sum(low <= tick <= high for tick in ticks) > 1:
            break
    axes.set_yticks(ticks, [f"{unit * tick:g}" for tick in ticks])
    axes.minorticks_off()
    axes.set_ylim(low, high)


def _trials_axis(axes: Axes, longest: int, steps: tuple[int, ...] = (1, 2, 5)) -> None:
    axes.set_xscale("log")
    ticks = [base * 10**power for power in range(6) for base in steps if base * 10**power < longest] + [longest]
    axes.set_xticks(ticks, [str(tick) for tick in ticks])
    axes.minorticks_off()
    axes.set_xlabel("trials")
    axes.grid(alpha=0.3)


def _limit(axes: Axes, curves: Sequence[np.ndarray]) -> None:
    """Sets the vertical axis to the means of curves, Shape `[replicas, trials]`, without the first trials."""
    means = [values.mean(axis=0)[min(_SETTLED, values.shape[1]) - 1 :] for values in curves]
    low, high = min(mean.min() for mean in means), max(mean.max() for mean in means)
    if axes.get_yscale() == "log":
        axes.set_ylim(max(0.8 * low, 1e-3), 1.1 * max(high, 2e-3))
    else:
        axes.set_ylim(low - 0.03 * (high - low) - 1e-3, high + 0.12 * (high - low) + 1e-3)


def _written(figure: Figure, *paths: Path) -> list[Path]:
    for path in paths:
        content = io.BytesIO()
        # Without a date, the same result gives the same file.
        metadata = {"Date": None} if path.suffix == ".svg" else {}
        with matplotlib.rc_context({"svg.hashsalt": "transfernas"}):
            figure.savefig(content, format=path.suffix[1:], metadata=metadata)
        write_atomically(path, content.getvalue())
    return list(paths)
