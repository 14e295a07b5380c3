"""Who plans a trial: the surrogate a whole one, or the policy and the memory under what the trial took already."""

import dataclasses
import math
from collections.abc import Mapping, Sequence

import numpy as np
from jaxtyping import Bool, UInt64

from ..learning.gate import MEMORY
from ..learning.learner import Learner
from ..learning.proposing import propose
from ..learning.randomness import Use, generator
from ..spaces.domain import Domain
from ..spaces.tables import in_order_asked
from ..spaces.trajectory import Trajectory
from .plans import SURROGATE, Made, Observed, Plan, key_in, key_of
from .space import OpenSpace
from .surrogate_proposer import SurrogateProposer


def planned_by_surrogate(
    surrogate: SurrogateProposer,
    learner: Learner,
    number: int,
    domains: Mapping[str, Domain],
    pending: Sequence[Observed],
) -> Plan | None:
    """Returns the surrogate's plan of a whole trial; None where the surrogate has nothing to propose.

    Args:
        surrogate: knows the trials of the search.
        learner: what the search knows.
        number: of the trial.
        domains: what parameters can be.
        pending: the trials that are being evaluated.
    """
    rng = generator(learner.seed, Use.SURROGATE, number)
    found = surrogate.propose(learner.encoding.problems[0].space, domains, pending, rng)
    if found is None:
        return None
    key, values = key_in(learner.encoding, found.actions), _values(learner, number)
    return Plan(number, SURROGATE, found.actions, key, {}, values, numbers=found.numbers)


def planned_by_policy(
    learner: Learner,
    number: int,
    space: OpenSpace,
    made: Made,
    name: str,
    domain: Domain,
    pending: UInt64[np.ndarray, "pending"],
    again: UInt64[np.ndarray, "again"],
) -> Plan:
    """Returns the plan of the policy or the memory for a trial, given the parameters that the trial has already.

    Args:
        learner: what the search knows.
        number: of the trial.
        space: what is known of the space; the learner's own has all of its parameters.
        made: the parameters of the trial so far.
        name: of the parameter that is asked for next.
        domain: what that can be.
        pending: the keys of what is not to be proposed.
        again: see `propose`.
    """
    asking = dataclasses.replace(learner, sampled=number)
    allowed = space.allowed(made, name, domain, learner.encoding.tables)
    choices = list(space.parameters.actions)
    asked = [choices.index(known) + 1 for known in (*made, name)]
    if asked != [1]:
        rules, order = in_order_asked(learner.encoding.tables.rules, 0, asked)
        tables = learner.tables._replace(rules=rules, longest=np.array(1 + len(choices), np.int32))
        memory, allowed = learner.memory, allowed[order]
        if memory is not None:
            memory = dataclasses.replace(memory, taken=memory.taken[..., order])
        asking = dataclasses.replace(asking, tables=tables, memory=memory)
    plan = _drawn(asking, allowed, pending, again)
    if name not in plan.actions:  # what was best before the transfer did not have it
        plan = _drawn(dataclasses.replace(asking, memory=None), allowed, pending, again)
    return plan


def _drawn(
    learner: Learner,
    allowed: Bool[np.ndarray, "choices options"],
    pending: UInt64[np.ndarray, "pending"],
    again: UInt64[np.ndarray, "again"],
) -> Plan:
    """Returns a learner's plan of its next trial, see `propose`."""
    _, proposal = propose(learner, pending=pending, allowed=allowed, again=again)
    trajectory = Trajectory(*(leaf[0] for leaf in proposal.rollout.trajectory))
    actions, key = learner.encoding.config(0, trajectory), key_of(trajectory)
    number, member = learner.sampled, int(proposal.member[0])
    numbers = _numbers(learner, key) if member == MEMORY else {}
    return Plan(number, member, actions, key, {}, _values(learner, number), numbers=numbers)


def _values(learner: Learner, number: int) -> np.random.Generator:
    """Returns the generator that draws the values of a trial."""
    return generator(learner.seed, Use.VALUE, number)


def _numbers(learner: Learner, key: np.uint64) -> dict[str, float]:
    """Returns the numbers that a remembered configuration had, where its actions stand for several."""
    assert learner.memory is not None
    choices, numbers = learner.encoding.problems[0].space.choices, learner.memory.numbers(0, 0, key)[1:].tolist()
    return {choice.name: its for choice, its in zip(choices, numbers, strict=False) if not math.isnan(its)}
