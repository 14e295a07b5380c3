"""An agent as a small table of HTML, for notebooks."""

from ..learning.learner import Learner
from ..notebook import html_table
from ..spaces.vocabulary import counted
from .told import best_reward


def html_of(learner: Learner) -> str:
    """Returns a table of the problems of a learner of one replica; names are escaped."""
    past = sum(each.trials[0] for each in learner.past)
    origin = f", which started from {counted(past, 'trial')} of {counted(len(learner.past), 'earlier problem')}"
    words = f"of {counted(len(learner.encoding.problems), 'problem')}{origin if learner.past else ''}"
    rows = []
    for row, problem in enumerate(learner.encoding.problems):
        best = best_reward(learner, row)
        shown = "none yet" if best is None else f"{best:.6g}"
        rows.append((*problem.name, int(learner.trial_stats.trials[0, row]), shown))
    return html_table("Agent", words, ("space", "task", "trials", "best reward (higher is better)"), rows)
