"""A table of groups of rows for the terminal, as wide as the terminal."""

from collections.abc import Iterable, Sequence
from itertools import chain, zip_longest

from rich.cells import cell_len
from rich.console import Console

from transfernas.cli.terminal import PlainTable, plain, shown

_LEAST_FOLDED = 40  # letters of a column whose cells are folded, below which the column is left out
_BORDERS = 3  # columns of the terminal for a border and the spaces beside it


def say_list(console: Console, title: str, heads: Sequence[str], rows: Iterable[tuple[str, Sequence[object]]]) -> None:
    """Prints a table of groups of rows, each group under its heading.

    No cell is cut, and the first cell of a row is in one line, so that you can search the lines. On a narrow terminal
    the cells of a column are folded into several lines, and the last columns are left out.

    Args:
        console: Where to print.
        title: The title of the table.
        heads: The head of each column.
        rows: The heading of the group and the cells of each row.
    """
    groups: dict[str, list[list[str]]] = {}
    for heading, (name, *others) in rows:
        groups.setdefault(plain(heading), []).append([f"  {plain(name)}", *map(plain, others)])
    lines = [heads, *([heading] for heading in groups), *chain.from_iterable(groups.values())]
    widths = [max(map(cell_len, column)) for column in zip_longest(*lines, fillvalue="")]
    kept, used = widths[:1], 1 + widths[0] + _BORDERS
    for width in widths[1:]:
        room = console.width - used - _BORDERS
        if room < min(width, _LEAST_FOLDED):
            break
        kept.append(min(width, room))
        used += kept[-1] + _BORDERS
    table = PlainTable(title=title)
    for head, width in zip(heads, kept, strict=False):
        table.add_column(shown(head), width=width, overflow="fold")
    for heading, group in groups.items():
        table.add_section()
        table.add_row(shown(heading, "bold"))
        for line in group:
            table.row(*line[: len(kept)])
    if used > console.width:
        console = Console(file=console.file, width=used)  # no console prints wider than itself
    console.print(table)
