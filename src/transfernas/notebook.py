"""Small tables of HTML, as which objects show themselves in notebooks."""

import html
from collections.abc import Iterable, Sequence

_CELL = 'style="text-align: left; padding: 0.2em 0.8em"'


def html_table(name: str, words: str, heads: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    """Returns a table below a line of text; names are escaped.

    Args:
        name: What the table shows, the first words of the line.
        words: The rest of the line.
        heads: The heads of the columns.
        rows: The cells of each row; a whole number has commas.
    """
    lines = [
        f"<p><strong>{html.escape(name)}</strong> {html.escape(words)}</p>",
        "<table><thead><tr>",
        *(f"<th {_CELL}>{html.escape(head)}</th>" for head in heads),
        "</tr></thead><tbody>",
    ]
    for row in rows:
        cells = (f"{cell:,}" if type(cell) is int else str(cell) for cell in row)
        lines.append("<tr>" + "".join(f"<td {_CELL}>{html.escape(cell)}</td>" for cell in cells) + "</tr>")
    return "\n".join([*lines, "</tbody></table>"])
