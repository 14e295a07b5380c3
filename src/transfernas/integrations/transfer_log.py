"""Lines for the user's log: how much an agent knew of a search before its first trial, and why a first trial waits."""

import logging

from ..define_by_run.search import DefineByRunSearch
from ..insight.transfer_log import LogLine, transfer_line
from ..processes import exported


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


def search_line(subject: str, search: DefineByRunSearch) -> LogLine | None:
    """Returns the line about the agent that a search started from, see `insight.transfer_log.transfer_line`.

    The line is None if there is nothing to say. It is a warning also if `rename` is not used.

    Args:
        subject: The search, as the subject of the sentence.
        search: The search, whose parameters are known.

    Example:
        ```python
        line = search_line("Study 'faces'", search)
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
    if search.transfer_report() is None:
        return None
    return transfer_line(subject, search.learner.current, "parameter", search.renamed, search.unused_fill)
