"""New parameters of a search that has many: hundreds are taken up at once, not one by one.

A search that takes up a parameter discovers its space, draws its network and its plan anew. A first trial of 300
parameters would do that 300 times.
"""

from collections.abc import Collection, Mapping, Sequence

from ..spaces.choice import Choice
from ..spaces.condition import Action
from ..spaces.domain import Domain
from ..spaces.problem import Problem
from .plans import PlannedTrial


class UnforeseenParameters:
    """Parameters that were asked for, or will be, and that a search has not taken up.

    Attributes:
        waiting: the actions of those that the search takes up with the next one.
        expected: those that the search took up because its source knows them, before a trial was told.
    """

    def __init__(self) -> None:
        """Begins without any."""
        self.waiting: dict[str, tuple[Action, ...]] = {}
        self.expected: set[str] = set()

    def copy(self) -> "UnforeseenParameters":
        """Returns the same parameters, to go on by themselves."""
        same = UnforeseenParameters()
        same.waiting, same.expected = dict(self.waiting), set(self.expected)
        return same

    def put(self, plan: PlannedTrial, name: str, domain: Domain) -> None:
        """Puts a new parameter into a plan that agrees with its trial so far: one action, all alike in probability.

        Raises:
            ValueError: a name or a value cannot be part of a space.
        """
        self.waiting[name] = Choice(name, domain.actions).actions
        plan.put(name, domain.actions[int(plan.rng.integers(len(domain.actions)))])

    def expect(
        self,
        names: Collection[str],
        known: Collection[str],
        problems: Sequence[Problem],
        space: str,
        rename: Mapping[str, str],
    ) -> bool:
        """Looks for a problem of the source that has all parameters of a trial, and expects its others too.

        Args:
            names: of the parameters of the trial.
            known: those that the search took up.
            problems: the source's.
            space: the name of their space.
            rename: from states that the source knows to parameters that mean the same.

        Returns:
            Whether there is one.
        """
        for problem in reversed(problems):
            choices = {rename.get(choice.state, choice.name): choice.actions for choice in problem.space.choices}
            if problem.space.name == space and choices.keys() >= set(names):
                self.expected = choices.keys() - {*known, *names}
                self.waiting |= {name: actions if name in self.expected else () for name, actions in choices.items()}
                return True
        return False

    def take_waiting(self) -> dict[str, tuple[Action, ...]]:
        """Returns the waiting parameters in order, and empties the list of them."""
        waiting, self.waiting = self.waiting, {}
        return waiting
