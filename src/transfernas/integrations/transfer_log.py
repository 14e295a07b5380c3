"""Lines for the user's log: how much an agent knew of a search before its first trial, and why a first trial waits."""

import logging
from typing import NamedTuple

from ..define_by_run.search import DefineByRunSearch
from ..processes import exported
from ..spaces.vocabulary import listed
from .arguments import close_name


class LogLine(NamedTuple):
    """A line of a log.

    Attributes:
        level: A level of `logging`, such as `logging.INFO`.
        text: The text.
    """

    level: int
    text: str


class _Passing(logging.Handler):
    """Passes records to the logger of another tool."""

    def __init__(self, logger: logging.Logger) -> None:
        """Takes the logger."""
        super().__init__(logging.INFO)
        self._logger = logger

    def passes_to(self, logger: logging.Logger) -> bool:
        """Returns whether records go to this logger."""
        return logger is self._logger

    def emit(self, record: logging.LogRecord) -> None:
        """Passes a record, if the logger takes records of its level."""
        if self._logger.isEnabledFor(record.levelno):
            self._logger.handle(record)


def pass_on_waits(logger: logging.Logger) -> None:
    """Has a logger of another tool, whose messages users see, say why a first trial waits for the compiler.

    Args:
        logger: The logger. Another call for it has no effect.
    """
    waits = logging.getLogger(exported.__name__)
    waits.setLevel(logging.INFO)
    if not any(isinstance(each, _Passing) and each.passes_to(logger) for each in waits.handlers):
        waits.addHandler(_Passing(logger))


def transfer_line(subject: str, search: DefineByRunSearch) -> LogLine | None:
    """Returns the line about the agent that a search started from; None if there is nothing to say.

    The line is a warning if more parameters are new than known, because some of them may have been renamed, or if a new
    name is close to a known one that was not asked for, because it may be misspelt, or if `rename` or a value in `fill`
    is not used.

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
    if search.unused_rename:
        return LogLine(
            logging.WARNING,
            f"{subject} starts from no agent, so that rename is not used: give the agent or its file, as in "
            f"agent='agent.safetensors', or leave rename out",
        )
    report, learner = search.transfer_report(), search.learner
    if report is None or learner is None or learner.known is None:
        return None
    known, new = report.known_states, report.new_states
    text = (
        f"{subject} starts from an agent: {len(known)} of {len(known) + len(new)} parameters known, task "
        f"{'known' if report.known_tasks else 'new'}, "
    )
    count = search.warm_start_size
    text += f"up to {count} earlier configurations, tried while they do well" if count else "no earlier configurations"
    text += f"; new: {listed(new)}" if new else ""
    changed = tuple(dict.fromkeys(state for state, _ in report.new_actions if state in known))
    text += f"; values that the agent never saw: of {listed(changed)}" if changed else ""
    unused = tuple(name for name in search.unused_fill if name in known)
    text += (
        f"; fill is not used for {listed(unused)}: all earlier configurations have their own value" if unused else ""
    )
    left = [state for state in learner.known.states[1:] if state not in (*known, *search.renamed)]
    slips = [(name, close) for name in new if (close := close_name(left, name)) is not None]
    if slips:
        meant = ", ".join(f"did you mean {close!r} by {name!r}?" for name, close in slips)
        return LogLine(
            logging.WARNING,
            f"{text}. The agent knows nothing of a new parameter: {meant} If it is the new name, say "
            f"rename={{{slips[0][1]!r}: {slips[0][0]!r}}}",
        )
    if len(new) > len(known):
        return LogLine(logging.WARNING, f"{text}. Where parameters have other names by now, say rename={{old: new}}")
    return LogLine(logging.WARNING if unused else logging.INFO, text)
