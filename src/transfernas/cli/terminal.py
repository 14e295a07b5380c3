"""Prints text of files, servers and users on a terminal, without effect as markup or as a control sequence."""

from collections.abc import Iterable, Sequence
from itertools import chain, zip_longest

from rich.cells import cell_len
from rich.console import Console, JustifyMethod
from rich.table import Table
from rich.text import Text


def plain(text: object) -> str:
    """Returns text in a single line with control characters escaped, which could move the cursor or set colours."""
    return "".join(
        letter if letter.isprintable() else letter.encode("unicode_escape").decode("ascii") for letter in str(text)
    )


def shown(text: object, style: str = "") -> Text:
    """Returns text of any number of lines that Rich prints without markup; see `plain`."""
    return Text("\n".join(map(plain, str(text).split("\n"))), style)


def say(console: Console, text: object) -> None:
    """Prints text without markup and without line breaks of Rich, so that you can copy paths."""
    console.print(shown(text), soft_wrap=True)


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


class PlainTable(Table):
    """A table whose title, caption, heads and cells are printed without markup."""

    def __init__(
        self,
        *heads: str,
        title: str = "",
        caption: str = "",
        title_justify: JustifyMethod = "center",
        show_lines: bool = False,
    ) -> None:
        """Creates a table; see Rich's `Table` for the arguments."""
        super().__init__(
            title=shown(title, "table.title") if title else None,
            caption=shown(caption, "table.caption") if caption else None,
            title_justify=title_justify,
            show_lines=show_lines,
        )
        for head in heads:
            self.head(head)

    def head(self, text: str, right: bool = False, whole: bool = False) -> None:
        """Adds a column.

        Args:
            text: Head of the column.
            right: Whether to align the column to the right.
            whole: Whether to fold long cells on a narrow terminal instead of cutting them.
        """
        self.add_column(shown(text), justify="right" if right else "left", overflow="fold" if whole else "ellipsis")

    def row(self, *cells: object) -> None:
        """Adds a row."""
        self.add_row(*map(shown, cells))
