"""What a user would enqueue by hand: the old configurations that an agent would try first."""

from transfernas import Agent
from transfernas.integrations.optuna import SPACE
from transfernas.learning.portfolio import portfolios
from transfernas.spaces.condition import Action

STARTS = 10


def replayed(agent: Agent, task: str) -> list[dict[str, Action]]:
    """Returns the agent's portfolio for a new task of the same space, exact numbers included.

    Args:
        agent: one that learned from old studies.
        task: the name of the study to come.
    """
    archive = agent.learner.archive
    [[picks]] = [each[:1] for each in portfolios(archive, 1, [(SPACE, task)], STARTS)]
    found = list[dict[str, Action]]()
    for pick in picks:
        entry = archive[pick.entry]
        found.append({**entry.config(0, pick.slot), **entry.numbers(0, pick.slot)})
    return found
