"""Figures of results; they know nothing of how the results came about."""

import io
from collections.abc import Mapping
from pathlib import Path

import numpy as np
from matplotlib.figure import Figure

from .experiments.result import Curve
from .experiments.statistics import mean_interval
from .files import write_atomically

# Colour and line style both tell the curves apart (Okabe and Ito's colours, safe for colour-blind readers).
STYLES = {
    "transfer": ("#0072B2", "-", "agent, transferred"),
    "scratch": ("#D55E00", "--", "agent, from scratch"),
    "evolution": ("#009E73", "-.", "regularized evolution (first 100 random)"),
    "random": ("#555555", ":", "random search"),
    "tpe": ("#CC79A7", (0, (5, 1)), "TPE"),
}


def draw_incumbents(path: Path, curves: Mapping[str, Curve], title: str, quantity: str, lowest: float) -> Path:
    """Draws the mean of each curve over the trials, with its 95 % interval, as a PNG.

    Args:
        path: of the file.
        curves: by name; accuracies in [0, 1], drawn in percent.
        title: of the figure.
        quantity: what the vertical axis shows.
        lowest: where the vertical axis starts, in percent; the first few trials are below it.
    """
    figure = Figure(figsize=(7.5, 4.8), dpi=150, layout="constrained")
    axes = figure.subplots()
    for name, curve in curves.items():
        colour, line, label = STYLES[name]
        trials = np.arange(1, curve.values.shape[1] + 1)
        intervals = 100 * np.array([mean_interval(column) for column in curve.values.T])
        axes.plot(trials, intervals[:, 0], color=colour, linestyle=line, label=label, linewidth=1.8)
        axes.fill_between(trials, intervals[:, 1], intervals[:, 2], color=colour, alpha=0.15, linewidth=0)
    axes.set_xscale("log")
    longest = max(curve.values.shape[1] for curve in curves.values())
    ticks = [base * 10**power for power in range(6) for base in (1, 2, 5) if base * 10**power < longest] + [longest]
    axes.set_xticks(ticks, [str(tick) for tick in ticks])
    axes.minorticks_off()
    axes.set(xlabel="trials", ylabel=quantity, title=title)
    axes.set_ylim(bottom=lowest)
    axes.grid(alpha=0.3)
    axes.legend(loc="lower right")
    content = io.BytesIO()
    figure.savefig(content, format="png")
    write_atomically(path, content.getvalue())
    return path
