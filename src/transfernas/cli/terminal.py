"""Text on a terminal. What files, servers and users wrote is shown as it is: it is no markup and no command."""

from rich.console import Console, JustifyMethod
from rich.table import Table
from rich.text import Text


def plain(text: object) -> str:
    """Returns text in one line, with its control characters escaped: they would move the cursor or set colours."""
    return "".join(
        letter if letter.isprintable() else letter.encode("unicode_escape").decode("ascii") for letter in str(text)
    )


def shown(text: object, style: str = "") -> Text:
    """Returns text of one or several lines for Rich to print as it is, see `plain`."""
    return Text("\n".join(map(plain, str(text).split("\n"))), style)


def say(console: Console, text: object) -> None:
    """Prints text as it is and leaves the wrapping to the terminal, so that paths can be copied."""
    console.print(shown(text), soft_wrap=True)


def counted(count: int, noun: str) -> str:
    """Returns a number with its noun, in the plural unless there is one."""
    several = f"{noun[:-1]}ies" if noun.endswith("y") and noun[-2] not in "aeiou" else f"{noun}s"
    return f"{count:,} {noun if count == 1 else several}"


class PlainTable(Table):
    """A table whose title, caption, heads and cells are shown as they are."""

    def __init__(
        self,
        *heads: str,
        title: str = "",
        caption: str = "",
        title_justify: JustifyMethod = "center",
        show_lines: bool = False,
    ) -> None:
        """Begins a table, see Rich's `Table`."""
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
            text: its head.
            right: whether it is aligned to the right.
            whole: whether its cells are folded, and not cut, where the terminal is narrow.
        """
        self.add_column(shown(text), justify="right" if right else "left", overflow="fold" if whole else "ellipsis")

    def row(self, *cells: object) -> None:
        """Adds a row."""
        self.add_row(*map(shown, cells))
