"""New parameters of a search of many parameters, which are taken up together.

A search that takes up a parameter discovers its space, and draws its policy and its plan anew. A first trial of 300
parameters would do so 300 times.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field

from ..spaces.choice import Choice
from ..spaces.condition import Action
from ..spaces.domain import Domain, NumericDomain
from ..spaces.places import middle_bin
from ..spaces.problem import Problem
from .plans import PlannedTrial


@dataclass
class UnforeseenParameters:
    """Parameters that were asked for, or will be, and that a search has not taken up.

    Attributes:
        waiting: The actions of the parameters that are taken up together with the next one.
        expected: The parameters that were taken up before the first reward because the source knows them.
    """

    waiting: dict[str, tuple[Action, ...]] = field(default_factory=dict)
    expected: set[str] = field(default_factory=set)

    def copy(self) -> "UnforeseenParameters":
        """Returns a copy that changes independently."""
        return UnforeseenParameters(dict(self.waiting), set(self.expected))

    def put(self, plan: PlannedTrial, name: str, domain: Domain) -> PlannedTrial:
        """Returns a plan that agrees with its trial so far with a new parameter, whose action is drawn uniformly.

        In the first trial, the action is the middle one of a range.

        Raises:
            ValueError: A name or a value cannot be part of a space.
        """
        self.waiting[name] = Choice(name, domain.actions).actions
        at = int(plan.rng.integers(len(domain.actions)))
        if plan.number == 0 and isinstance(domain, NumericDomain):
            at = middle_bin(domain)
        return plan.put(name, domain.actions[at])

    def expect(
        self,
        names: Collection[str],
        known: Collection[str],
        problems: Sequence[Problem],
        space: str,
        rename: Mapping[str, str],
    ) -> bool:
        """Looks for a problem of the source that has all parameters of a trial, and expects the problem's other ones.

        Args:
            names: The names of the trial's parameters.
            known: The names of the parameters that the search took up.
            problems: The problems of the source.
            space: The name of the space.
            rename: From states that the source knows to parameters that mean the same.

        Returns:
            Whether there is such a problem.
        """
        for problem in reversed(problems):
            choices = {rename.get(choice.state, choice.name): choice.actions for choice in problem.space.choices}
            if problem.space.name == space and choices.keys() >= set(names):
                self.expected = choices.keys() - {*known, *names}
                self.waiting.update((name, its if name in self.expected else ()) for name, its in choices.items())
                return True
        return False

    def take_waiting(self) -> dict[str, tuple[Action, ...]]:
        """Returns the waiting parameters in order, and removes them here."""
        waiting = dict(self.waiting)
        self.waiting.clear()
        return waiting
