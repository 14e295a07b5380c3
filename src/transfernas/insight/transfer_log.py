"""The line for the user's log about what a search knows from a transfer, before its first trial."""

import logging
from collections.abc import Iterable
from typing import NamedTuple

from ..learning.learner import Learner
from ..spaces.vocabulary import TransferReport, close_name, counted, listed, transfer_report


class LogLine(NamedTuple):
    """A line of a log.

    Attributes:
        level: A level of `logging`, such as `logging.INFO`.
        text: The text.
    """

    level: int
    text: str


def transfer_line(
    subject: str,
    learner: Learner,
    noun: str,
    renamed: Iterable[str] = (),
    unused_fill: Iterable[str] = (),
) -> LogLine | None:
    """Returns the line about the knowledge that a search starts from; None without a transfer.

    The line is a warning if more names are new than known, because some of them may have been renamed, or if a new name
    is close to a known one that the problems lack, because it may be misspelt, or if a value in `fill` is not used.

    Args:
        subject: The search, as the subject of the sentence.
        learner: The learner of the search, of a single replica.
        noun: The word for a name that is known or new, such as "parameter".
        renamed: The names to which `rename` goes.
        unused_fill: The names in `fill` of which no earlier configuration gets its value.

    Example:
        ```python
        line = transfer_line("Search 'faces'", agent.learner, "state")
        if line is not None:
            logging.getLogger(__name__).log(*line)
        ```
    """
    if learner.known is None:
        return None
    report = transfer_report(learner.known, learner.encoding.problems)
    known, new = report.known_states, report.new_states
    asked = {choice.name for problem in learner.encoding.problems for choice in problem.space.choices}
    unused = tuple(name for name in unused_fill if name in asked)
    text = f"{subject} starts from an agent: {_knowledge(report, learner, noun)}"
    if unused:
        own = "all earlier configurations have their own value"
        reason = own if learner.bandit is not None else "transfer.bandit=None tries no earlier configuration first"
        text += f"; fill is not used for {listed(unused)}: {reason}"
    left = [state for state in learner.known.states[1:] if state not in (*known, *renamed)]
    if new and left:
        text += f"; known, but not asked for: {listed(tuple(left))}"
    slips = [(name, close) for name in new if (close := close_name(left, name)) is not None]
    missed = len(new) > len(known)
    if new and left and not slips and not missed:
        text += "; if one is the other's new name, say rename={old: new}"
    if slips:
        meant = ", ".join(f"did you mean {close!r} by {name!r}?" for name, close in slips)
        return LogLine(
            logging.WARNING,
            f"{text}. The agent knows nothing of a new {noun}: {meant} If it is the new name, say "
            f"rename={{{slips[0][1]!r}: {slips[0][0]!r}}}",
        )
    if missed:
        return LogLine(logging.WARNING, f"{text}. Where {noun}s have other names by now, say rename={{old: new}}")
    return LogLine(logging.WARNING if unused else logging.INFO, text)


def agent_line(learner: Learner, unused_fill: Iterable[str]) -> LogLine | None:
    """Returns the line about what an agent knew of its problems, see `transfer_line`."""
    problems = learner.encoding.problems
    what = repr(problems[0].task) if len(problems) == 1 else f"of {counted(len(problems), 'problem')}"
    return transfer_line(f"Search {what}", learner, "state", unused_fill=unused_fill)


def _knowledge(report: TransferReport, learner: Learner, noun: str) -> str:
    """Returns the numbers of known names and of earlier configurations, and the new names."""
    known, new = report.known_states, report.new_states
    count = 0 if learner.warm_start is None else int(learner.warm_start.count[0].sum())
    text = f"{len(known)} of {len(known) + len(new)} {noun}s known, {_tasks(report)}, "
    text += f"up to {count}" if count else "no"
    text += " earlier configurations" + (", tried unless they disappoint" if count else "")
    text += f"; new: {listed(new)}" if new else ""
    changed = tuple(dict.fromkeys(state for state, _ in report.new_actions if state in known))
    return text + (f"; values that the agent never saw: of {listed(changed)}" if changed else "")


def _tasks(report: TransferReport) -> str:
    known, new = len(report.known_tasks), len(report.new_tasks)
    return f"{known} of {known + new} tasks known" if known + new > 1 else f"task {'known' if known else 'new'}"
