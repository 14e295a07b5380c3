"""The values that a plan will give to its trial, before the trial asks for them."""

import copy
import dataclasses
from collections.abc import Callable, Hashable, Mapping

import numpy as np

from ..spaces.condition import is_any_of, is_same_action
from ..spaces.domain import CategoricalDomain, Domain, NumericDomain
from .knowledge import SearchKnowledge
from .plans import ObservedTrial, Params, PlannedTrial

IsNewFn = Callable[[PlannedTrial], bool]
"""Tells whether a plan builds a network that no other trial built, by the user's key, or has values of its own."""

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


def is_new_by_key(
    knowledge: SearchKnowledge, trial: Hashable, params: Params, domains: Mapping[str, Domain]
) -> IsNewFn | None:
    """Returns a function that tells whether a plan of a trial builds a new network; None without a key."""
    networks = knowledge.networks
    if networks is None:
        return None
    taken = networks.taken(trial)

    def is_new(plan: PlannedTrial) -> bool:
        foreseen = foresee(knowledge, plan, params, domains)
        return networks.is_new({name: value for name, (_, value) in foreseen.items()}, taken)

    return is_new


def with_untried_values(
    knowledge: SearchKnowledge, trial: Hashable, params: Params, domains: Mapping[str, Domain], plan: PlannedTrial
) -> PlannedTrial | None:
    """Returns a plan of values that no known trial has; None if there are hardly any for the actions of the plan.

    Actions that stand for several values may come again, and whole numbers near the best ones would come several times.
    A plan with a real number is returned as it is.

    Args:
        knowledge: All that the search knows.
        trial: The trial.
        params: The parameters of the trial so far.
        domains: The values that parameters can have.
        plan: The plan of the trial.
    """
    ranges = {name: its for name in plan.actions if isinstance(its := domains.get(name), NumericDomain)}
    varied = [its.step for its in ranges.values() if its.continuous]
    if knowledge.surrogate is None or knowledge.networks is not None or not varied or None in varied:
        return plan
    alike = [its for its in _known(knowledge, trial) if its.actions == plan.actions]
    if not alike:
        return plan
    planned = ObservedTrial.of(foresee(knowledge, plan, params, domains))
    for _ in range(_REDRAWN):
        if not any(its.has_values_of(planned) for its in alike):
            return plan
        numbers = {
            name: float(its.value(its.position(plan.actions[name]), plan.rng.random()))  # type: ignore[arg-type]
            for name, its in ranges.items()
            if name not in params
        }
        plan, planned = dataclasses.replace(plan, numbers=numbers), planned.with_numbers(numbers)
    return None


def are_used_up(knowledge: SearchKnowledge, trial: Hashable) -> bool:
    """Returns whether earlier trials had to repeat values, so that a search for values that no trial has is in vain.

    Such a search takes a hundred times as long as a draw.
    """
    known = [(frozenset(its.actions.items()), frozenset(its.numbers.items())) for its in _known(knowledge, trial)]
    return len(known) - len(set(known)) >= _REPEATS


def _known(knowledge: SearchKnowledge, trial: Hashable) -> list[ObservedTrial]:
    """Returns the trials of the Gaussian process, and all others that are being evaluated."""
    here, elsewhere = knowledge.trials.others(trial)
    told = () if knowledge.surrogate is None else knowledge.surrogate.known
    return [*told, *(other.observed for other in here), *elsewhere]


def foresee(knowledge: SearchKnowledge, plan: PlannedTrial, params: Params, domains: Mapping[str, Domain]) -> Params:
    """Returns the parameters that a trial will have if its program asks for those of a plan, in the order of the plan.

    Args:
        knowledge: All that the search knows.
        plan: The plan, which draws no number here.
        params: The parameters of the trial so far.
        domains: The values that parameters can have.
    """
    found, rng = dict(params), copy.deepcopy(plan.rng)
    for name, action in plan.actions.items():
        if name in found:
            continue
        domain = domains.get(name)
        if domain is None or not is_any_of(action, domain.actions):  # it was not asked for yet
            domain = CategoricalDomain([action])
        found[name] = domain, value_of_plan(knowledge, plan, name, domain, rng)
    return found
