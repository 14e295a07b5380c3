"""Prints text of files, servers and users on a terminal, without effect as markup or as a control sequence."""

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


class PlainTable(Table):
    """A table whose title, caption, heads and cells are printed without markup."""

    def __init__(
        self,
        *heads: str,
        title: str = "",
        caption: str = "",
        title_justify: JustifyMethod = "center",
    ) -> None:
        """Creates a table; see Rich's `Table` for the arguments."""
        super().__init__(
            title=shown(title, "table.title") if title else None,
            caption=shown(caption, "table.caption") if caption else None,
            title_justify=title_justify,
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
