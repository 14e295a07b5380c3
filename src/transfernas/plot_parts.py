"""Parts of the figures of `transfernas.plots`, by Matplotlib."""

from collections.abc import Sequence
from typing import Any

from .extras import needed
from .insight.expected_rows import ABSENT, BAND, RANK_STYLES, ExpectedRow, ExpectedRows
from .insight.figure_data import BLUE, GREY, RED, MapPoints, least_range
from .insight.label_places import label_places

with needed("plots", "transfernas.plots"):
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_WIDTH = 5.2  # inches, so that the text of a figure can be read on a phone
_ROW = 0.58  # inches, of the row of a parameter
_BESIDE = 1.04  # the place of a text beside a row, which ends at 1
_TICK = "#4d4d4d"
_MARGIN = 0.25  # of the range of the points of a map, free at each end
_NAME_SIZE, _AWAY = 9, 8  # printer's points, of the name of a point and of the way between both


def new_axes(axes: Axes | None, height: float) -> Axes:
    """Returns the axes that a user gave, or those of a new figure of a height in inches."""
    return Figure(figsize=(_WIDTH, height), layout="constrained").subplots() if axes is None else axes


def draw_steps(axes: Axes, points: Sequence[tuple[int, float]], name: str, colour: str, line: str) -> None:
    """Draws a value that holds from each point up to the next one."""
    if points:
        axes.step(*zip(*points, strict=True), where="post", color=colour, linestyle=line, linewidth=1.6, label=name)


def set_ticks(axes: Axes, places: Sequence[float], labels: list[str], vertical: bool = False) -> None:
    """Labels places of an axis; long labels of the horizontal axis are slanted."""
    if vertical:
        axes.set_yticks(list(places), labels, parse_math=False)
    elif sum(map(len, labels)) > 48:
        axes.set_xticks(list(places), labels, parse_math=False, rotation=30, ha="right")
    else:
        axes.set_xticks(list(places), labels, parse_math=False)


def add_legend(axes: Axes, handles: Sequence[Any] | None = None, columns: int = 2) -> None:
    """Puts the legend above the axes, where it hides nothing."""
    how = {"fontsize": 9, "frameon": False, "columnspacing": 1.2, "handlelength": 1.8, "markerscale": 1.3}
    shown = axes.get_legend_handles_labels()[0] if handles is None else handles
    legend = axes.legend(handles=shown, loc="lower left", bbox_to_anchor=(0, 1), ncols=columns, **how)
    for text in legend.get_texts():
        text.set_parse_math(False)


def say_nothing(axes: Axes, words: str) -> None:
    """Writes into axes why they show nothing."""
    axes.text(0.5, 0.5, words, ha="center", va="center", transform=axes.transAxes)


def draw_plane(found: MapPoints, axes: Axes | None) -> Axes:
    """Draws names in the plane, none of which lies on another one."""
    axes = new_axes(axes, 3.6)
    drawn = axes.get_figure(root=True)
    assert drawn is not None
    frame = (72 * axes.bbox.width / drawn.dpi, 72 * axes.bbox.height / drawn.dpi)
    places = label_places(found.places, found.named, frame, _NAME_SIZE, _AWAY, _MARGIN, found.least)
    for name, (x, y), marked, place in zip(found.named, found.places, found.marked, places, strict=True):
        colour, marker = (RED, "D") if marked else (BLUE, "o")
        axes.plot([x], [y], marker, color=colour, zorder=2.1 if marked else 2)
        if name:
            how: dict[str, Any] = {"textcoords": "offset points", "va": "center", "fontsize": _NAME_SIZE}
            how |= {"ha": "left" if place.right else "right", "parse_math": False}
            if place.moved:
                how["arrowprops"] = {"arrowstyle": "-", "color": GREY, "linewidth": 0.7, "shrinkA": 0, "shrinkB": 3}
                how["arrowprops"]["relpos"] = (0 if place.right else 1, 0.5)
            axes.annotate(name, (x, y), (_AWAY if place.right else -_AWAY, place.up), **how)
    axes.set_aspect("equal", adjustable="datalim")
    if found.least:
        axes.update_datalim(
            [(end, found.places[0][1]) for end in least_range([x for x, _ in found.places], found.least)]
        )
    axes.margins(_MARGIN)
    axes.locator_params(nbins=6)
    axes.set(xlabel=found.axes[0], ylabel=found.axes[1].replace(" (", "\n("))
    for axis, title in zip((axes.xaxis, axes.yaxis), found.axes, strict=True):
        if not title:
            axis.set_ticks([])
    axes.set_title(found.note, fontsize=10, loc="left")
    axes.grid(alpha=0.3)
    return axes


def draw_rows(found: ExpectedRows, axes: Axes | None) -> Axes:
    """Draws a band for each parameter, with a mark for each configuration and the value of the first one beside it."""
    axes = new_axes(axes, 0.95 + 0.15 * len(found.notes) + _ROW * max(1, len(found.rows)))
    for at, row in enumerate(found.rows):
        _draw_band(axes, at, row)
    for rank, name in enumerate(found.ranks):
        colour, marker = RANK_STYLES[name]
        points = found.points(rank)
        size = 4.2 if marker == "D" else 5  # a diamond looks larger
        places, heights = [point.place for point in points], [point.height for point in points]
        axes.plot(places, heights, marker, color=colour, markersize=size, label=name)
    if found.rows:
        _write(axes, _BESIDE, -BAND / 2 - 0.1, f"{found.ranks[0]}:", va="bottom", fontsize=9, color=BLUE)
        add_legend(axes, columns=len(found.ranks))
    names = ["\n".join(row.name_lines) for row in found.rows]
    set_ticks(axes, range(len(names)), names, vertical=True)
    axes.set(xlim=(-0.02, 1.02), ylim=(len(names) - 0.35, -0.7), xticks=())
    axes.tick_params(left=False)
    axes.spines[:].set_visible(False)
    axes.set_xlabel("\n".join([found.title, *found.notes]))
    return axes


def _draw_band(axes: Axes, at: int, row: ExpectedRow) -> None:
    axes.barh(at, 1, BAND, color=GREY, alpha=0.13, linewidth=0, zorder=1)
    inner = [cell / row.cells for cell in range(1, row.cells)]
    axes.vlines(inner, at - BAND / 2, at + BAND / 2, color="white", linewidth=1, zorder=1.1)
    for place, words in row.ticks:
        side = {0.0: "left", 1.0: "right"}.get(place, "center")
        _write(axes, place, at + BAND / 2 + 0.03, words, ha=side, va="top", fontsize=8, color=_TICK)
    _write(axes, _BESIDE, at, row.words[0] or ABSENT, va="center", fontsize=9, color=BLUE)


def _write(axes: Axes, x: float, y: float, words: str, **how: Any) -> None:
    axes.text(x, y, words, parse_math=False, **how)
