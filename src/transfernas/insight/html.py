"""An agent as a small table of HTML, for notebooks."""

import html

from ..learning.learner import Learner
from ..spaces.vocabulary import counted
from .told import best_reward

_CELL = 'style="text-align: left; padding: 0.2em 0.8em"'


def html_of(learner: Learner) -> str:
    """Returns a table of the problems of a learner of one replica; names are escaped."""
    past = sum(each.trials[0] for each in learner.past)
    origin = f", which started from {counted(past, 'trial')} of {counted(len(learner.past), 'earlier problem')}"
    lines = [
        f"<p><strong>Agent</strong> of {counted(len(learner.encoding.problems), 'problem')}"
        f"{origin if learner.past else ''}</p>",
        "<table><thead><tr>",
        *(f"<th {_CELL}>{head}</th>" for head in ("space", "task", "trials", "best reward (higher is better)")),
        "</tr></thead><tbody>",
    ]
    for row, problem in enumerate(learner.encoding.problems):
        best = best_reward(learner, row)
        trials, shown = f"{learner.trial_stats.trials[0, row]:,}", "none yet" if best is None else f"{best:.6g}"
        cells = (*problem.name, trials, shown)
        lines.append("<tr>" + "".join(f"<td {_CELL}>{html.escape(cell)}</td>" for cell in cells) + "</tr>")
    return "\n".join([*lines, "</tbody></table>"])
