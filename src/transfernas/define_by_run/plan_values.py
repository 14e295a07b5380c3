"""A trial that is to be planned, and the values that its plans will give, before the program asks for them."""

import copy
import dataclasses
from collections.abc import Callable, Hashable, Mapping
from dataclasses import dataclass

import numpy as np

from ..learning.failure_model import MOST_REFUSED
from ..learning.randomness import Purpose, generator
from ..spaces.condition import is_any_of, is_same_action
from ..spaces.domain import CategoricalDomain, Domain, NumericDomain
from .knowledge import SearchKnowledge
from .plans import ObservedTrial, Params, PlannedTrial

IsNewFn = Callable[[PlannedTrial], bool | None]
"""Tells whether a plan builds a network that no other trial built, by the user's key, or has values of its own.

None is for a plan that is refused by chance, because it may fail: later it may be accepted.
"""

_REDRAWN = 16  # draws of the values of the same actions, until they are new
_REPEATS = 5  # so many trials with the values of others show that hardly any values are left


def value_of_plan(
    knowledge: SearchKnowledge, plan: PlannedTrial, name: str, domain: Domain, rng: np.random.Generator
) -> object:
    """Returns the value of a parameter by a plan.

    Args:
        knowledge: All that the search knows.
        plan: The plan, which has the parameter.
        name: The name of the parameter.
        domain: The values that the parameter can have, among them that of the plan.
        rng: Draws a number, if the action of the plan stands for several.
    """
    action, number = plan.actions[name], plan.numbers.get(name)
    if number is not None and isinstance(domain, NumericDomain) and is_same_action(domain.action(number), action):
        value: object = domain.near(number, 0.0, 0.0)  # as it was, as far as the range has it
    else:
        source = knowledge.learner.source
        before = None if source is None else source.number(name, action)
        value = knowledge.trials.best.value(name, action, domain, rng, before)
    its, foreseen = plan.foreseen.get(name, (None, None))
    return foreseen if its is domain else value  # the number is drawn in any case: the next draws depend on it


@dataclass(frozen=True)
class AskedTrial:
    """A trial that is to be planned, because its program asks for a parameter.

    Attributes:
        knowledge: All that the search knows, the parameters of the trial among them.
        trial: The trial.
        params: The parameters of the trial so far.
        name: The name of the next parameter.
        domains: The values that parameters can have, the next one among them.
        number: The number of the trial.
        earlier: The plan that the trial had so far; None if there is none.
    """

    knowledge: SearchKnowledge
    trial: Hashable
    params: Params
    name: str
    domains: Mapping[str, Domain]
    number: int
    earlier: PlannedTrial | None

    @classmethod
    def of(
        cls,
        knowledge: SearchKnowledge,
        trial: Hashable,
        params: Params,
        name: str,
        domain: Domain,
        earlier: PlannedTrial | None,
    ) -> "AskedTrial":
        """Returns the trial after the search took up its parameters.

        Raises:
            ValueError: A name or a value cannot be part of a space.
        """
        knowledge.declare({**{known: its for known, (its, _) in params.items()}, name: domain})
        count = trial if isinstance(trial, int) else knowledge.learner.current.sampled
        number = count if earlier is None else earlier.number
        return cls(knowledge, trial, params, name, {**knowledge.space.domains, name: domain}, number, earlier)

    @property
    def domain(self) -> Domain:
        """The values that the next parameter can have."""
        return self.domains[self.name]

    def rng(self) -> np.random.Generator:
        """Returns the generator that draws the values of the trial: that of the earlier plan, or a new one."""
        if self.earlier is not None:
            return self.earlier.rng
        return generator(self.knowledge.learner.current.seed, Purpose.VALUE, self.number)

    def foresee(self, plan: PlannedTrial) -> Params:
        """Returns the parameters of the trial if its program asks for those of a plan, in the order of the plan.

        Args:
            plan: The plan, which draws no number here.
        """
        found, rng = dict(self.params), copy.deepcopy(plan.rng)
        for name, action in plan.actions.items():
            if name in found:
                continue
            domain = self.domains.get(name)
            if domain is None or not is_any_of(action, domain.actions):  # it was not asked for yet
                domain = CategoricalDomain([action])
            found[name] = domain, value_of_plan(self.knowledge, plan, name, domain, rng)
        return found

    def is_new_by_key(self) -> IsNewFn | None:
        """Returns a function that tells whether a plan builds a new network; None without a key."""
        networks = self.knowledge.networks
        if networks is None:
            return None
        taken = networks.taken(self.trial)
        return lambda plan: networks.is_new({name: value for name, (_, value) in self.foresee(plan).items()}, taken)

    def unless_it_fails(self, is_new: IsNewFn | None) -> IsNewFn | None:
        """Returns a function that also refuses plans by chance, the more likely they are to fail the more often.

        Args:
            is_new: See `IsNewFn`; returned as it is where hardly any trial failed.
        """
        surrogate, its = self.knowledge.surrogate, self.knowledge.learner
        if surrogate is None or its.learner is None:
            return is_new
        refusal = surrogate.refusal(its.space, self.domains, its.sources)
        if refusal is None:
            return is_new
        rng, left = generator(its.current.seed, Purpose.FAILURE, self.number), MOST_REFUSED

        def accepts(plan: PlannedTrial) -> bool | None:
            nonlocal left
            if is_new is not None and not is_new(plan):
                return False
            if left > 0 and rng.random() < refusal(ObservedTrial(plan.actions, plan.numbers)):
                left -= 1
                return None
            return True

        return accepts

    def with_untried_values(self, plan: PlannedTrial) -> PlannedTrial | None:
        """Returns a plan of values that no known trial has; None if there are hardly any for the actions of the plan.

        Actions that stand for several values may come again, and whole numbers near the best ones would come several
        times. A plan with a real number is returned as it is.
        """
        ranges = {name: its for name in plan.actions if isinstance(its := self.domains.get(name), NumericDomain)}
        varied = [its.step for its in ranges.values() if its.continuous]
        if self.knowledge.surrogate is None or self.knowledge.networks is not None or not varied or None in varied:
            return plan
        alike = [its for its in self._known() if its.actions == plan.actions]
        if not alike:
            return plan
        planned = ObservedTrial.of(self.foresee(plan))
        for _ in range(_REDRAWN):
            if not any(its.has_values_of(planned) for its in alike):
                return plan
            numbers = {
                name: float(its.value(its.position(plan.actions[name]), plan.rng.random()))  # type: ignore[arg-type]
                for name, its in ranges.items()
                if name not in self.params
            }
            plan, planned = dataclasses.replace(plan, numbers=numbers), planned.with_numbers(numbers)
        return None

    def values_are_used_up(self) -> bool:
        """Returns whether earlier trials had to repeat values, so that a search for others is in vain.

        Such a search takes a hundred times as long as a draw.
        """
        known = [(frozenset(its.actions.items()), frozenset(its.numbers.items())) for its in self._known()]
        return len(known) - len(set(known)) >= _REPEATS

    def _known(self) -> list[ObservedTrial]:
        """Returns the trials of the Gaussian process, and all others that are being evaluated."""
        here, elsewhere = self.knowledge.trials.others(self.trial)
        told = () if self.knowledge.surrogate is None else self.knowledge.surrogate.known
        return [*told, *(other.observed for other in here), *elsewhere]
