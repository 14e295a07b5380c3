"""Parts of the interactive figures of a study, by plotly."""

import html
from collections.abc import Sequence
from typing import Any

from ...extras import needed

with needed("plots", __name__):
    import plotly.graph_objects as go

from ...insight.expected_rows import ABSENT, BAND, RANK_STYLES, ExpectedRow, ExpectedRows
from ...insight.figure_data import BLUE, GREY, ORANGE, RED, MapPoints, ValueShares, least_range
from ...insight.label_places import label_places

SYMBOLS = {"o": "circle", "s": "square", "^": "triangle-up", "D": "diamond", "v": "triangle-down", "x": "x"}
"""The symbol of each marker of Matplotlib's."""

_FRAME = (540, 270)
"""Pixels of the axes of a map, which are wider in a wide window."""

_HEIGHT = 180 + _FRAME[1]  # pixels, with plotly's margins
_ROW, _ABOVE, _BELOW = 66, 110, 90  # pixels, of the row of a parameter, and of the titles and the legend around
_MARGIN = 0.25  # of the range of the points, free at each end
_INSIDE = 0.03  # of the height of the axes, so far inside of an edge are the marks there
_MOST_LARGE = 12  # values of a parameter, up to which their diamonds are large
_NAME_SIZE, _AWAY = 12, 10  # pixels, of the name of a point and of the way between both


def new_figure(title: str, x: str, y: str) -> "go.Figure":
    """Returns a figure without marks, with titles of the figure and of its axes."""
    return go.Figure(layout=go.Layout(title=title, xaxis={"title": x}, yaxis={"title": y}))


def as_text(name: str) -> str:
    """Returns a name as text of a figure, which would take its markup as its own."""
    return html.escape(name, quote=False)


def map_figure(title: str, found: MapPoints) -> "go.Figure":
    """Returns a figure of names in the plane, none of which lies on another one."""
    first, second = (words.capitalize() for words in found.axes)
    heading = f"{title}<br><sub>{as_text(found.note.capitalize())}</sub>" if found.note else title
    figure = new_figure(heading, first, second.replace(" (", "<br>("))
    marker = {
        "color": [RED if its else BLUE for its in found.marked],
        "symbol": ["diamond" if its else "circle" for its in found.marked],
        "size": 10,
    }
    figure.add_scatter(
        x=[x for x, _ in found.places],
        y=[y for _, y in found.places],
        mode="markers",
        marker=marker,
        text=[as_text(name) for name in found.labels],
        cliponaxis=False,
        showlegend=False,
        hovertemplate="%{text}<extra></extra>",
    )
    places = label_places(found.places, found.named, _FRAME, _NAME_SIZE, _AWAY, _MARGIN, found.least)
    for name, (x, y), place in zip(found.named, found.places, places, strict=True):
        side, away = ("left", _AWAY) if place.right else ("right", -_AWAY)
        how: dict[str, Any] = {"xshift": away, "yshift": place.up, "showarrow": False}
        if place.moved:  # a line leads to the point
            line = {"arrowhead": 0, "arrowwidth": 1, "arrowcolor": GREY, "standoff": 5}
            how = {"ax": away, "ay": -place.up, "showarrow": True, **line}
        font = {"size": _NAME_SIZE}
        figure.add_annotation(x=x, y=y, text=as_text(name), xanchor=side, yanchor="middle", font=font, **how)
    figure.update_layout(height=_HEIGHT)
    ends = least_range([x for x, _ in found.places], found.least) if found.least else [x for x, _ in found.places]
    figure.update_xaxes(showticklabels=bool(first), range=_range(list(ends)))
    figure.update_yaxes(showticklabels=bool(second), range=_range([y for _, y in found.places]))
    if second:
        figure.update_yaxes(scaleanchor="x")
    return figure


def add_values(figure: Any, title: str, found: ValueShares, column: int) -> None:
    """Adds the values of a parameter to a column of a figure."""
    places, names = list(range(len(found.labels))), [as_text(each) for each in found.labels]
    its: dict[str, Any] = {"x": places, "hovertext": names, "hovertemplate": "%{hovertext}: %{y:.3f}<extra></extra>"}
    traces = [go.Bar(y=list(found.now), marker={"color": BLUE}, name="Now", **its)]
    if found.before is not None:
        size = 9 if len(places) <= _MOST_LARGE else 5  # of many diamonds each would hide its neighbours
        marker = {"color": ORANGE, "symbol": "diamond", "size": size, "line": {"color": "#1a1a1a", "width": 1}}
        name = found.before_label.capitalize()
        its["cliponaxis"] = False  # a share of 0 or of 1 is a whole diamond
        traces.append(go.Scatter(y=list(found.before), mode="markers", marker=marker, name=name, **its))
    line, ends = {"color": GREY, "dash": "dash"}, [-0.5, len(places) - 0.5]
    traces.append(go.Scatter(x=ends, y=[found.chance] * 2, mode="lines", line=line, name="Chance"))
    for trace in traces:
        figure.add_trace(trace, row=1, col=column)
    ticks, ticktext = list(found.ticks), [as_text(each) for each in found.tick_labels]
    figure.update_xaxes(title_text=as_text(title), tickvals=ticks, ticktext=ticktext, row=1, col=column)


def rows_figure(title: str, found: ExpectedRows) -> "go.Figure":
    """Returns a figure with a band for each parameter, and a mark for each configuration."""
    heading, notes = f"{title}<br><sub>{found.title.capitalize()}</sub>", map(str.capitalize, found.notes)
    figure = new_figure(heading, "<br>".join(notes), "")
    for at, row in enumerate(found.rows):
        _add_band(figure, at, row.cells)
        for place, words in row.ticks:
            side = {0.0: "left", 1.0: "right"}.get(place, "center")
            how = {"xanchor": side, "yanchor": "top", "font": {"size": 11}, "showarrow": False}
            figure.add_annotation(x=place, y=at + BAND / 2, text=as_text(words), **how)
    for rank, name in enumerate(found.ranks):
        colour, marker = RANK_STYLES[name]
        points = found.points(rank)
        figure.add_scatter(
            x=[point.place for point in points],
            y=[point.height for point in points],
            mode="markers",
            marker={"color": colour, "symbol": SYMBOLS[marker], "size": 9},
            name=name,
            text=[as_text(f"{name}, {point.parameter}: {point.words}") for point in points],
            hovertemplate="%{text}<extra></extra>",
        )
    names = [_name(row, found.ranks[0]) for row in found.rows]
    bare = {"showgrid": False, "zeroline": False}
    figure.update_xaxes(range=[-0.02, 1.02], showticklabels=False, title_font={"size": 12}, **bare)
    figure.update_yaxes(tickvals=list(range(len(names))), ticktext=names, range=[len(names) - 0.4, -0.4], **bare)
    legend, margin = {"orientation": "h", "yanchor": "bottom", "y": 1}, {"t": _ABOVE, "b": _BELOW}
    height = _ABOVE + _ROW * max(1, len(names)) + _BELOW
    figure.update_layout(height=height, legend=legend, margin=margin, plot_bgcolor="rgba(0, 0, 0, 0)")
    return figure


def add_edge_marks(
    figure: Any, edge: int, trials: Sequence[tuple[int, str]], marker: dict[str, Any], group: str
) -> None:
    """Adds marks at an edge of a figure, for trials whose values lie beyond it.

    Args:
        figure: The figure.
        edge: 0 for the lower edge, 1 for the upper one.
        trials: The number of each trial, and the text about it.
        marker: The colour and the symbol of the marks.
        group: The group of the legend that shows and hides the marks.
    """
    figure.add_scatter(
        x=[number for number, _ in trials],
        y=[edge] * len(trials),
        yaxis="y2",
        mode="markers",
        marker={**marker, "size": 9},
        zorder=1,
        legendgroup=group,
        showlegend=False,
        text=[words for _, words in trials],
        hovertemplate="%{text}<extra></extra>",
    )
    ends = [-_INSIDE, 1 + _INSIDE]
    figure.update_layout(yaxis2={"overlaying": "y", "range": ends, "visible": False, "fixedrange": True})


def _range(values: list[float]) -> list[float] | None:
    """Returns the ends of an axis; None if all values are equal."""
    margin = _MARGIN * (max(values, default=0.0) - min(values, default=0.0))
    return [min(values) - margin, max(values) + margin] if margin else None


def _add_band(figure: Any, at: int, cells: int) -> None:
    ends = {"y0": at - BAND / 2, "y1": at + BAND / 2, "layer": "below"}
    figure.add_shape(type="rect", x0=0, x1=1, fillcolor=GREY, opacity=0.13, line_width=0, **ends)
    for cell in range(1, cells):
        figure.add_shape(type="line", x0=cell / cells, x1=cell / cells, line={"color": "white", "width": 1}, **ends)


def _name(row: ExpectedRow, first: str) -> str:
    """Returns the name of a parameter, with the value of the first configuration below it."""
    value = f'<span style="color: {BLUE}">{first}: {as_text(row.words[0] or ABSENT)}</span>'
    return "<br>".join([*map(as_text, row.name_lines), value])
