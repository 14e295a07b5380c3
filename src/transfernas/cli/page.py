"""Parts of a page of HTML that needs no other file: tables, figures as SVG, the style. All text is escaped here."""

import html
import io
import re
import warnings
from collections.abc import Callable, Iterable, Sequence
from typing import TYPE_CHECKING
from xml.etree import ElementTree

from ..spaces.vocabulary import listed
from .terminal import plain

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_INK = "#1a1a1a"
"""The colour of text and axes in the figures, in whose place the page has its own, dark or light."""

_MOST_NARROW = 4  # columns of a table that fits a narrow page
_LONG = 60  # letters of a cell that needs more than a third of a narrow page

_COLOURS = {_INK: "currentColor", "#0072b2": "var(--blue)", "#767676": "var(--grey)", "#d55e00": "var(--red)"}
_STYLE = """
:root { color-scheme: light dark; --paper: #ffffff; --ink: #1a1a1a; --soft: #5c5c5c; --line: #d8d8d8; --head: #f3f4f6;
  --blue: #0072b2; --grey: #767676; --red: #d55e00; }
@media (prefers-color-scheme: dark) { :root { --paper: #16181c; --ink: #e8e8e8; --soft: #a9adb3; --line: #3a3e45;
  --head: #22262c; --blue: #4aa8e0; --grey: #9a9a9a; --red: #f08040; } }
* { box-sizing: border-box; }
body { margin: 0 auto; padding: 1rem; max-width: 74rem; background: var(--paper); color: var(--ink);
  font: 16px/1.5 system-ui, sans-serif; overflow-wrap: anywhere; }
h1 { font-size: 1.6rem; line-height: 1.2; margin: 0.5rem 0; }
h2 { font-size: 1.25rem; margin: 2rem 0 0.5rem; border-bottom: 1px solid var(--line); }
h3 { font-size: 1.05rem; margin: 1.5rem 0 0.5rem; }
p { max-width: 46rem; margin: 0.5rem 0; }
.soft, figcaption { color: var(--soft); font-size: 0.9rem; }
.notice { border: 1px solid var(--red); border-left-width: 0.4rem; padding: 0.5rem 0.8rem; font-weight: 600; }
.facts { display: grid; grid-template-columns: repeat(auto-fill, minmax(9.5rem, 1fr)); gap: 0.75rem; margin: 1rem 0; }
.facts div { border: 1px solid var(--line); border-radius: 0.5rem; padding: 0.6rem 0.8rem; }
.facts dt { color: var(--soft); font-size: 0.85rem; }
.facts dd { margin: 0; font-size: 1.15rem; font-weight: 600; }
.figures { display: grid; grid-template-columns: repeat(auto-fit, minmax(min(100%, 26rem), 1fr)); gap: 1rem; }
figure { margin: 0 0 0.5rem; min-width: 0; max-width: 36rem; break-inside: avoid; }
svg { width: 100%; height: auto; display: block; }
.table { overflow-x: auto; max-width: 100%; }
table { border-collapse: collapse; font-size: 0.92rem; font-variant-numeric: tabular-nums; }
th, td { text-align: left; padding: 0.3rem 0.8rem 0.3rem 0.5rem; border-bottom: 1px solid var(--line);
  overflow-wrap: normal; }
th { background: var(--head); white-space: nowrap; }
td.number, th.number { text-align: right; white-space: nowrap; }
pre { background: var(--head); padding: 0.8rem; overflow-x: auto; border-radius: 0.4rem; font-size: 0.85rem; }
details summary { cursor: pointer; }
:focus-visible { outline: 2px solid var(--blue); outline-offset: 2px; }
@media (max-width: 30rem) { table { font-size: 0.82rem; }
  th, td { padding: 0.25rem 0.4rem; } th, th.number { white-space: normal; } pre { white-space: pre-wrap; }
  .wide thead { display: none; } .wide tr { display: block; border-bottom: 1px solid var(--line); padding: 0.3rem 0; }
  .wide td, .wide td.number { display: inline-block; border: 0; padding: 0 0.8rem 0 0; text-align: left; }
  .wide td::before { content: attr(data-head) " "; color: var(--soft); } }
@media print { body { max-width: none; padding: 0; }
  details::details-content { display: block; content-visibility: visible; }
  .table, pre { overflow: visible; } pre { white-space: pre-wrap; } h2, h3 { break-after: avoid; } }
"""


def text(value: object) -> str:
    """Returns a value as text of HTML in one line: names may hold anything."""
    return html.escape(plain(value))


def number(value: object) -> str:
    """Returns a number for people, six digits at most, and other values as they are."""
    if type(value) is float:
        return f"{value:z.6g}"
    return f"{value:,}" if type(value) is int else "none" if value is None else plain(value)


def paragraph(words: str, soft: bool = False) -> str:
    """Returns a paragraph of text that is not HTML."""
    return f"<p{' class=soft' if soft else ''}>{text(words)}</p>"


def notice(words: str) -> str:
    """Returns a paragraph that a reader must not miss."""
    return f'<p class="notice" role="note">{text(words)}</p>'


def heading(words: str, level: int = 2) -> str:
    """Returns a heading."""
    return f"<h{level}>{text(words)}</h{level}>"


def facts(pairs: Iterable[tuple[str, object]]) -> str:
    """Returns names with values, side by side as far as the page is wide."""
    cells = "".join(f"<div><dt>{text(name)}</dt><dd>{text(number(value))}</dd></div>" for name, value in pairs)
    return f'<dl class="facts">{cells}</dl>'


def table(heads: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    """Returns a table, numbers at the right.

    On a narrow page, a row of many columns, or of three with a long cell, becomes a list of heads and cells. Other
    tables scroll.
    """
    lines = [list(row) for row in rows]
    right = [
        bool(lines) and all(row[at] is None or type(row[at]) in (int, float) for row in lines)
        for at in range(len(heads))
    ]
    long = any(len(str(cell)) > _LONG for row in lines for cell in row)
    wide = len(heads) > (2 if long else _MOST_NARROW)

    def cells(tag: str, row: Sequence[object]) -> str:
        names = [f' data-head="{text(head)}"' if wide and tag == "td" else "" for head in heads]
        found = (
            f"<{tag}{' class=number' if its else ''}{name}>{text(number(cell))}</{tag}>"
            for name, cell, its in zip(names, row, right, strict=True)
        )
        return f"<tr>{''.join(found)}</tr>"

    body = "".join(cells("td", row) for row in lines)
    kind = "table wide" if wide else "table"
    box = _scrolling(f"table of {listed(tuple(filter(None, heads)))}")
    return f'<div class="{kind}" {box}><table><thead>{cells("th", heads)}</thead><tbody>{body}</tbody></table></div>'


def code(words: str, label: str) -> str:
    """Returns lines of a program, with a label that is read aloud before them."""
    return f"<pre {_scrolling(label)}>{html.escape(chr(10).join(map(plain, words.splitlines())))}</pre>"


def hidden(summary: str, content: str) -> str:
    """Returns content that is shown when somebody asks for it."""
    return f"<details><summary>{text(summary)}</summary>{content}</details>"


def figures(parts: Iterable[str]) -> str:
    """Returns figures, side by side as far as the page is wide."""
    return f'<div class="figures">{"".join(parts)}</div>'


def figure(draw: Callable[[], "Axes"], name: str, caption: str) -> str:
    """Returns a figure as SVG inside of the page, whose text and axes have the colours of the page.

    Args:
        draw: draws it.
        name: of the figure, another one for each of a page: a word of letters, digits and hyphens.
        caption: the text below it, which is read aloud instead of it.
    """
    return f"<figure>{_svg(draw, name, plain(caption))}<figcaption>{text(caption)}</figcaption></figure>"


def document(title: str, content: Iterable[str]) -> str:
    """Returns a whole page."""
    body = "\n".join(content)
    return (
        f'<!DOCTYPE html>\n<html lang="en"><head><meta charset="utf-8">'
        f'<meta name="viewport" content="width=device-width, initial-scale=1">'
        f'<link rel="icon" href="data:,"><title>{text(title)}</title><style>{_STYLE}</style></head>\n'
        f"<body>{body}</body></html>\n"
    )


def _scrolling(label: str) -> str:
    """Returns the attributes of a box that scrolls sideways: a keyboard reaches it, and its label is read aloud."""
    return f'tabindex="0" role="group" aria-label="{text(label)}"'


def _svg(draw: Callable[[], "Axes"], name: str, label: str) -> str:
    import matplotlib

    settings = {key: _INK for key in ("text.color", "axes.labelcolor", "axes.edgecolor", "xtick.color", "ytick.color")}
    settings |= {"svg.fonttype": "none", "svg.hashsalt": name, "axes.facecolor": "none", "figure.facecolor": "none"}
    file = io.StringIO()
    with matplotlib.rc_context(settings), warnings.catch_warnings():  # type: ignore[arg-type]
        warnings.filterwarnings("ignore", message="Glyph")  # a reader's browser may have what a font here lacks
        drawn = draw().get_figure(root=True)
        assert drawn is not None
        nothing = dict.fromkeys(("Date", "Creator", "Format", "Type"))
        drawn.savefig(file, format="svg", metadata=nothing)
    # Only attributes change, never the text between them, which may be a user's.
    root = ElementTree.fromstring(file.getvalue())
    for element in root.iter():
        element.tag = _local(element.tag)
        element.attrib = {_local(key): _attribute(_local(key), value, name) for key, value in element.attrib.items()}
    for dimension in ("width", "height"):  # the style says it
        del root.attrib[dimension]
    root.attrib |= {"role": "img", "aria-label": label}
    return ElementTree.tostring(root, encoding="unicode")


def _local(name: str) -> str:
    """Returns the name of an element or an attribute without its namespace, which HTML knows by itself."""
    return name.rpartition("}")[2]


def _attribute(key: str, value: str, name: str) -> str:
    """Returns an attribute of a figure for a page that has several figures, and colours of its own."""
    if key == "id":
        return f"{name}-{value}"
    if key == "href":
        return value.replace("#", f"#{name}-", 1)
    value = re.sub(r"font-family: [^;]*", "font-family: sans-serif", value.replace("url(#", f"url(#{name}-"))
    for colour, its in _COLOURS.items():
        value = value.replace(colour, its)
    return value
