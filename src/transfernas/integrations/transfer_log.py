"""The line of a log that says how much an agent knew of a search before its first trial."""

import logging
from typing import NamedTuple

from ..define_by_run.search import DefineByRunSearch
from ..spaces.vocabulary import listed


class LogLine(NamedTuple):
    """A line of a log.

    Attributes:
        level: A level of `logging`, such as `logging.INFO`.
        text: The text.
    """

    level: int
    text: str


def transfer_line(subject: str, search: DefineByRunSearch) -> LogLine | None:
    """Returns the line about the agent that a search started from; None if the search started from none.

    The line is a warning if more parameters are new than known, because some of them may have been renamed.

    Args:
        subject: The search, as the subject of the sentence.
        search: The search, whose parameters are known.

    Example:
        ```python
        line = transfer_line("Study 'faces'", search)
        if line is not None:
            logging.getLogger(__name__).log(*line)
        ```
    """
    report = search.transfer_report()
    if report is None:
        return None
    known, new = report.known_states, report.new_states
    text = (
        f"{subject} starts from an agent: {len(known)} of {len(known) + len(new)} parameters known, task "
        f"{'known' if report.known_tasks else 'new'}, {search.warm_start_size} configurations to try first"
    )
    text += f"; new: {listed(new)}" if new else ""
    if len(new) > len(known):
        return LogLine(logging.WARNING, f"{text}. Where parameters have other names by now, say rename={{old: new}}")
    return LogLine(logging.INFO, text)
