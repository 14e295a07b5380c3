"""Plans of trials: the surrogate plans a whole trial; the policy or the warm start, given the parameters so far."""

import dataclasses
import math
from collections.abc import Callable, Hashable, Mapping, Sequence
from functools import partial
from typing import NamedTuple

import numpy as np
from jaxtyping import Bool, Int, UInt64

from ..learning.archive import ArchivedProblem
from ..learning.bandit import SURROGATE, WARM_START
from ..learning.eligibility import FirstValidFn
from ..learning.learner import Learner
from ..learning.proposal import MiddleFn, count_candidates, propose
from ..learning.randomness import Purpose, generator
from ..processes.runtime import placed
from ..spaces.condition import Action
from ..spaces.domain import Domain
from ..spaces.tables import reorder_rules
from .knowledge import SearchKnowledge
from .plan_values import IsNewFn, are_used_up, foresee, is_new_by_key, with_untried_values
from .plans import ObservedTrial, Params, PlannedTrial, compute_fingerprint, config_fingerprint
from .points import SurrogateProposal
from .space import DefineByRunSpace
from .surrogate_proposer import SurrogateProposer

DrawPlanFn = Callable[[IsNewFn | None], PlannedTrial]
"""Draws a plan, given a function that accepts plans."""

UntriedFn = Callable[[PlannedTrial], PlannedTrial | None]
"""Returns a plan of values that no known trial has, see `with_untried_values`."""

_MOST_REFUSED = 1_000  # candidates of one trial, as their networks or values were evaluated; then any is taken


def plan_on(knowledge: SearchKnowledge, trial: Hashable, params: Params, name: str, domain: Domain) -> PlannedTrial:
    """Returns the plan of an open trial, which has the next parameter; the plan that there is, or another one.

    Args:
        knowledge: All that the search knows.
        trial: The trial.
        params: The parameters of the trial so far.
        name: The name of the next parameter.
        domain: The values that the next parameter can have.

    Raises:
        RuntimeError, TypeError: The user's key failed, see `TrialNetworks`.
        ValueError: A name or a value cannot be part of a space.
    """
    plan = knowledge.trials.followed_plan(trial, params)
    if plan is not None and plan.goes_on(params, name, domain):
        return plan
    source = None if knowledge.learner.has_learned else knowledge.learner.source
    if plan is None or plan.seen != len(params) or not knowledge.space.is_unforeseen(params, name, source):
        return _plan_trial(knowledge, trial, plan, params, name, domain)
    plan = knowledge.space.unforeseen.put(plan, name, domain)
    knowledge.trials.open(trial, plan)
    knowledge.close_network(trial)
    return plan


def _plan_trial(
    knowledge: SearchKnowledge,
    trial: Hashable,
    earlier: PlannedTrial | None,
    params: Params,
    name: str,
    domain: Domain,
) -> PlannedTrial:
    """Plans a trial, and opens it; anew if the program does not ask for the parameters of an earlier plan.

    The arguments and errors are those of `plan_on`, and the earlier plan of the trial; None if there is none.
    """
    knowledge.declare({**{known: its for known, (its, _) in params.items()}, name: domain})
    learner, trials, space = knowledge.learner.current, knowledge.trials, knowledge.space
    count = trial if isinstance(trial, int) else learner.sampled
    number = count if earlier is None else earlier.number
    domains = {**space.domains, name: domain}
    is_new = is_new_by_key(knowledge, trial, params, domains)
    plan = None
    if earlier is None and not params and (surrogate := knowledge.surrogate_of(number)) is not None:
        here, elsewhere = trials.others(trial)
        pending = [*(other.observed for other in here), *elsewhere]
        plan = plan_by_surrogate(surrogate, learner, number, domains, pending, knowledge.learner.sources, is_new)
    if plan is None or name not in plan.actions:
        rng = None if earlier is None else earlier.rng
        draw = partial(_plan_among_workers, knowledge, trial, number, params, name, domain, rng)
        untried = partial(with_untried_values, knowledge, trial, params, domains)
        plan = _first_untried(draw, untried, partial(are_used_up, knowledge, trial), is_new)
    if earlier is None:
        knowledge.learner = knowledge.learner.asked(number)
    else:
        if earlier.proposer == WARM_START and learner.learned:  # the program does not ask for it, and never will
            knowledge.learner = knowledge.learner.failed(earlier.actions, WARM_START)
        plan.given.update(earlier.given)
    if knowledge.networks is not None:
        plan = dataclasses.replace(plan, foreseen=foresee(knowledge, plan, params, domains))
        knowledge.networks.open(trial, {known: value for known, (_, value) in plan.foreseen.items()})
    trials.open(trial, plan)
    return plan


def _first_untried(
    draw: DrawPlanFn, untried: UntriedFn, used_up: Callable[[], bool], is_new: IsNewFn | None
) -> PlannedTrial:
    """Returns a plan with values that no known trial has; any plan if there are hardly any.

    Args:
        draw: See `DrawPlanFn`.
        untried: See `UntriedFn`.
        used_up: See `are_used_up`.
        is_new: See `IsNewFn`.
    """
    plan = draw(is_new)
    found = untried(plan)
    if found is None and not used_up():
        plan = draw(lambda plan: untried(plan) is not None)
        found = untried(plan)
    return plan if found is None else found


def _plan_among_workers(
    knowledge: SearchKnowledge,
    trial: Hashable,
    number: int,
    params: Params,
    name: str,
    domain: Domain,
    rng: np.random.Generator | None,
    is_new: IsNewFn | None,
) -> PlannedTrial:
    """Returns the plan of the policy or the warm start for a trial, while others may evaluate trials.

    Workers that begin at the same moment take the earlier configurations in turn, see `DefineByRunLearner.in_turn`.
    Otherwise, no configuration that is being evaluated is planned. The arguments are those of `plan_by_policy`.
    """
    trials, space, learner = knowledge.trials, knowledge.space, knowledge.learner.current
    repeatable, turn = trials.best.varied(space.domains), trials.turn(trial)
    beginner = None if turn is None else knowledge.learner.in_turn(turn, space.domains)
    if beginner is not None:
        # What another worker has asked for so far may equal a whole configuration here, so only failed ones are out.
        failed = trials.failed
        plan = plan_by_policy(beginner, number, space, params, name, domain, failed, repeatable, is_new, rng)
        if plan.proposer == WARM_START:
            return plan
        learner = beginner
    elif strangers := trials.strangers(trial, space.parameters):
        learner = knowledge.learner.beside(strangers, space.domains)
    excluded = trials.pending(trial, learner.encoding, space.parameters)
    return plan_by_policy(learner, number, space, params, name, domain, excluded, repeatable, is_new, rng)


def plan_by_surrogate(
    surrogate: SurrogateProposer,
    learner: Learner,
    number: int,
    domains: Mapping[str, Domain],
    pending: Sequence[ObservedTrial],
    sources: Sequence[ArchivedProblem],
    is_new: IsNewFn | None = None,
) -> PlannedTrial | None:
    """Returns the surrogate's plan of a whole trial; None if the surrogate has nothing to propose.

    Args:
        surrogate: The surrogate, which knows the trials of the search.
        learner: The learner of the search.
        number: The number of the trial.
        domains: The parameters.
        pending: The trials that are being evaluated.
        sources: The earlier problems.
        is_new: See `IsNewFn`; None if every configuration is a network of its own.
    """

    def plan(found: SurrogateProposal) -> PlannedTrial:
        fingerprint, values = config_fingerprint(learner.encoding, found.actions), _values(learner, number)
        return PlannedTrial(number, SURROGATE, found.actions, fingerprint, {}, values, numbers=found.numbers)

    rng = generator(learner.seed, Purpose.SURROGATE, number)
    accepts = None if is_new is None else lambda found: is_new(plan(found))
    found = surrogate.propose(learner.encoding.problems[0].space, domains, pending, rng, accepts, sources)
    return None if found is None else plan(found)


def plan_by_policy(
    learner: Learner,
    number: int,
    space: DefineByRunSpace,
    params: Params,
    name: str,
    domain: Domain,
    pending: UInt64[np.ndarray, "pending"],
    repeatable: UInt64[np.ndarray, "again"],
    is_new: IsNewFn | None = None,
    rng: np.random.Generator | None = None,
) -> PlannedTrial:
    """Returns the plan of the policy or the warm start for a trial, given the parameters that the trial has already.

    Args:
        learner: The learner of the search.
        number: The number of the trial.
        space: The space of the search; that of the learner has all of its parameters.
        params: The parameters of the trial so far.
        name: The name of the next parameter.
        domain: The values that the next parameter can have.
        pending: The fingerprints of configurations that may not be proposed.
        repeatable: See `propose`.
        is_new: See `IsNewFn`; None if every configuration is a network of its own.
        rng: Draws the values of the trial; None for the generator of a trial without an earlier plan.
    """
    asking = dataclasses.replace(learner, sampled=number)
    permitted = space.allowed(params, name, domain, learner.encoding.tables)
    choices = list(space.parameters.actions)
    asked = [choices.index(known) + 1 for known in (*params, name)]
    order = np.arange(len(permitted))
    if asked != [1]:
        rules, order = reorder_rules(learner.encoding.tables.rules, 0, asked)
        # On the device, as the other tables are: JAX would compile the draw anew for a mixture.
        rules, longest = placed((rules, np.array(1 + len(choices), np.int32)))
        tables = learner.tables._replace(rules=rules, longest=longest)
        warm_start = learner.warm_start
        if warm_start is not None:
            warm_start = dataclasses.replace(warm_start, action_indices=warm_start.action_indices[..., order])
        asking = dataclasses.replace(asking, tables=tables, warm_start=warm_start)

    def middle() -> Bool[np.ndarray, "choices options"]:
        return space.middle(params, name, domain, permitted)[order]

    values = _values(learner, number) if rng is None else rng
    draws = _Draws(asking, permitted[order], middle, order, repeatable, is_new, values)
    plan = draws.plan(pending)
    while plan.proposer == WARM_START and name in plan.actions and is_new is not None and not is_new(plan):
        pending = np.append(pending, plan.fingerprint)
        plan = draws.plan(pending)
    if name not in plan.actions:  # the best earlier configuration did not have it
        plan = draws._replace(learner=dataclasses.replace(asking, warm_start=None)).plan(pending)
    return plan


class _Draws(NamedTuple):
    """Draws plans of a learner's next trial.

    Attributes:
        learner: The learner, with the choices that were asked for first.
        allowed: Shape `[choices, options]`, see `propose`.
        middle: See `propose`.
        order: Shape `[choices]`, the positions in the space of the learner's choices.
        repeatable: See `propose`.
        is_new: See `plan_by_policy`.
        rng: See `plan_by_policy`.
    """

    learner: Learner
    allowed: Bool[np.ndarray, "choices options"]
    middle: MiddleFn
    order: Int[np.ndarray, "choices"]
    repeatable: UInt64[np.ndarray, "again"]
    is_new: IsNewFn | None
    rng: np.random.Generator

    def plan(self, pending: UInt64[np.ndarray, "pending"]) -> PlannedTrial:
        """Returns a plan, none of the configurations with the fingerprints `pending` where others are left."""
        learner, find = self.learner, self._first_new()
        _, proposal = propose(
            learner, find, pending=pending, allowed=self.allowed, repeatable=self.repeatable, middle=self.middle
        )
        trajectory = proposal.rollout.trajectory.at(0)
        actions, fingerprint = learner.encoding.config(0, trajectory), compute_fingerprint(trajectory)
        proposer = int(proposal.proposer[0])
        numbers = _numbers(learner, fingerprint) if proposer == WARM_START else {}
        return PlannedTrial(learner.sampled, proposer, actions, fingerprint, {}, self.rng, numbers=numbers)

    def _first_new(self) -> FirstValidFn | None:
        """Returns a function that finds the first candidate of a new network; any after `_MOST_REFUSED` candidates."""
        is_new = self.is_new
        if is_new is None:
            return None
        space, most = self.learner.encoding.problems[0].space, self.learner.config.proposal.max_candidates
        left, refused = min(_MOST_REFUSED, most - count_candidates(self.learner)), set[tuple[int, ...]]()

        def find(
            problems: Int[np.ndarray, "sought"], candidates: Int[np.ndarray, "sought candidates choices"]
        ) -> Int[np.ndarray, "sought"]:
            nonlocal left
            for at, indices in enumerate(map(tuple, candidates[0].tolist())):
                left -= 1
                if left >= 0 and indices in refused:
                    continue
                actions: dict[str, Action] = {}
                for choice, action in zip(self.order.tolist()[1:], indices[1:], strict=True):
                    if choice <= len(space.choices) and action < len(space.choices[choice - 1].actions):
                        actions[space.choices[choice - 1].name] = space.choices[choice - 1].actions[action]
                if left < 0 or is_new(PlannedTrial(0, 0, actions, np.uint64(0), {}, self.rng)):
                    return np.array([at])
                refused.add(indices)
            return np.array([candidates.shape[1]])

        return find


def _values(learner: Learner, number: int) -> np.random.Generator:
    """Returns the generator that draws the values of a trial."""
    return generator(learner.seed, Purpose.VALUE, number)


def _numbers(learner: Learner, fingerprint: np.uint64) -> dict[str, float]:
    """Returns the numbers of a remembered configuration whose actions stand for several."""
    assert learner.warm_start is not None
    choices = learner.encoding.problems[0].space.choices
    numbers = learner.warm_start.numbers(0, 0, fingerprint)[1:].tolist()
    return {choice.name: its for choice, its in zip(choices, numbers, strict=False) if not math.isnan(its)}
