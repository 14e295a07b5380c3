"""Who plans a trial: the surrogate a whole one, or the policy and the warm start under what the trial took already."""

import dataclasses
import math
from collections.abc import Mapping, Sequence

import numpy as np
from jaxtyping import Bool, UInt64

from ..learning.bandit import WARM_START
from ..learning.learner import Learner
from ..learning.proposal import propose
from ..learning.randomness import Purpose, generator
from ..spaces.domain import Domain
from ..spaces.tables import reorder_rules
from ..spaces.trajectory import Trajectory
from .plans import SURROGATE, ObservedTrial, Params, PlannedTrial, compute_fingerprint, config_fingerprint
from .space import DefineByRunSpace
from .surrogate_proposer import SurrogateProposer


def plan_by_surrogate(
    surrogate: SurrogateProposer,
    learner: Learner,
    number: int,
    domains: Mapping[str, Domain],
    pending: Sequence[ObservedTrial],
) -> PlannedTrial | None:
    """Returns the surrogate's plan of a whole trial; None where the surrogate has nothing to propose.

    Args:
        surrogate: knows the trials of the search.
        learner: what the search knows.
        number: of the trial.
        domains: what parameters can be.
        pending: the trials that are being evaluated.
    """
    rng = generator(learner.seed, Purpose.SURROGATE, number)
    found = surrogate.propose(learner.encoding.problems[0].space, domains, pending, rng)
    if found is None:
        return None
    fingerprint, values = config_fingerprint(learner.encoding, found.actions), _values(learner, number)
    return PlannedTrial(number, SURROGATE, found.actions, fingerprint, {}, values, numbers=found.numbers)


def plan_by_policy(
    learner: Learner,
    number: int,
    space: DefineByRunSpace,
    params: Params,
    name: str,
    domain: Domain,
    pending: UInt64[np.ndarray, "pending"],
    repeatable: UInt64[np.ndarray, "again"],
) -> PlannedTrial:
    """Returns the plan of the policy or the warm start for a trial, given the parameters that the trial has already.

    Args:
        learner: what the search knows.
        number: of the trial.
        space: what is known of the space; the learner's own has all of its parameters.
        params: the parameters of the trial so far.
        name: of the parameter that is asked for next.
        domain: what that can be.
        pending: the fingerprints of what is not to be proposed.
        repeatable: see `propose`.
    """
    asking = dataclasses.replace(learner, sampled=number)
    allowed = space.allowed(params, name, domain, learner.encoding.tables)
    choices = list(space.parameters.actions)
    asked = [choices.index(known) + 1 for known in (*params, name)]
    if asked != [1]:
        rules, order = reorder_rules(learner.encoding.tables.rules, 0, asked)
        tables = learner.tables._replace(rules=rules, longest=np.array(1 + len(choices), np.int32))
        warm_start, allowed = learner.warm_start, allowed[order]
        if warm_start is not None:
            warm_start = dataclasses.replace(warm_start, action_indices=warm_start.action_indices[..., order])
        asking = dataclasses.replace(asking, tables=tables, warm_start=warm_start)
    plan = _drawn(asking, allowed, pending, repeatable)
    if name not in plan.actions:  # what was best before the transfer did not have it
        plan = _drawn(dataclasses.replace(asking, warm_start=None), allowed, pending, repeatable)
    return plan


def _drawn(
    learner: Learner,
    allowed: Bool[np.ndarray, "choices options"],
    pending: UInt64[np.ndarray, "pending"],
    repeatable: UInt64[np.ndarray, "again"],
) -> PlannedTrial:
    """Returns a learner's plan of its next trial, see `propose`."""
    _, proposal = propose(learner, pending=pending, allowed=allowed, repeatable=repeatable)
    trajectory = Trajectory(*(leaf[0] for leaf in proposal.rollout.trajectory))
    actions, fingerprint = learner.encoding.config(0, trajectory), compute_fingerprint(trajectory)
    number, proposer = learner.sampled, int(proposal.proposer[0])
    numbers = _numbers(learner, fingerprint) if proposer == WARM_START else {}
    return PlannedTrial(number, proposer, actions, fingerprint, {}, _values(learner, number), numbers=numbers)


def _values(learner: Learner, number: int) -> np.random.Generator:
    """Returns the generator that draws the values of a trial."""
    return generator(learner.seed, Purpose.VALUE, number)


def _numbers(learner: Learner, fingerprint: np.uint64) -> dict[str, float]:
    """Returns the numbers that a remembered configuration had, where its actions stand for several."""
    assert learner.warm_start is not None
    choices, numbers = (
        learner.encoding.problems[0].space.choices,
        learner.warm_start.numbers(0, 0, fingerprint)[1:].tolist(),
    )
    return {choice.name: its for choice, its in zip(choices, numbers, strict=False) if not math.isnan(its)}
