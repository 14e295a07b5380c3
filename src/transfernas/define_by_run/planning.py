"""Plans of trials: the surrogate plans a whole trial; the policy or the warm start, given the parameters so far."""

import dataclasses
import math
from collections.abc import Hashable
from typing import NamedTuple

import numpy as np
from jaxtyping import Bool, Int, UInt64

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
from .plan_values import AskedTrial, IsNewFn
from .plans import Params, PlannedTrial, compute_fingerprint, config_fingerprint
from .points import SurrogateProposal
from .surrogate_proposer import SurrogateProposer

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
        plan = _plan_trial(AskedTrial.of(knowledge, trial, params, name, domain, plan))
    else:
        plan = knowledge.space.unforeseen.put(plan, name, domain)
        knowledge.close_network(trial)
    knowledge.trials.open(trial, plan)
    return plan


def _plan_trial(asked: AskedTrial) -> PlannedTrial:
    """Plans a trial; anew if the program does not ask for the parameters of an earlier plan."""
    knowledge, earlier, is_new = asked.knowledge, asked.earlier, asked.is_new_by_key()
    plan = None
    if earlier is None and not asked.params and (surrogate := knowledge.surrogate_of(asked.number)) is not None:
        plan = _plan_by_surrogate(asked, surrogate, is_new)
    if plan is None or asked.name not in plan.actions:
        plan = _plan_untried(asked, asked.unless_it_fails(is_new))
    if earlier is None:
        knowledge.learner = knowledge.learner.asked(asked.number)
    else:
        if earlier.proposer == WARM_START and knowledge.learner.has_learned:
            # The program does not ask for it, and never will.
            knowledge.learner = knowledge.learner.failed(earlier.actions, WARM_START)
        plan.given.update(earlier.given)
    if knowledge.networks is not None:
        plan = dataclasses.replace(plan, foreseen=asked.foresee(plan))
        knowledge.networks.open(asked.trial, {known: value for known, (_, value) in plan.foreseen.items()})
    return plan


def _plan_untried(asked: AskedTrial, is_new: IsNewFn | None) -> PlannedTrial:
    """Returns a plan with values that no known trial has; any plan if there are hardly any."""
    plan = _plan_among_workers(asked, is_new)
    found = asked.with_untried_values(plan)
    if found is None and not asked.values_are_used_up():

        def has_untried_values(plan: PlannedTrial) -> bool | None:
            return asked.with_untried_values(plan) is not None and (is_new is None or is_new(plan))

        plan = _plan_among_workers(asked, has_untried_values)
        found = asked.with_untried_values(plan)
    return plan if found is None else found


def _plan_among_workers(asked: AskedTrial, is_new: IsNewFn | None) -> PlannedTrial:
    """Returns the plan of the policy or the warm start for a trial, while others may evaluate trials.

    Workers that begin at the same moment take the earlier configurations in turn, see `DefineByRunLearner.in_turn`.
    Otherwise, no configuration that is being evaluated is planned.
    """
    trials, space, its = asked.knowledge.trials, asked.knowledge.space, asked.knowledge.learner
    learner, turn = its.current, trials.turn(asked.trial)
    beginner = None if turn is None else its.in_turn(turn, space.domains)
    if beginner is not None:
        # What another worker has asked for so far may equal a whole configuration here, so only failed ones are out.
        plan = plan_by_policy(asked, beginner, trials.failed, is_new)
        if plan.proposer == WARM_START:
            return plan
        learner = beginner
    elif strangers := trials.strangers(asked.trial, space.parameters):
        learner = its.beside(strangers, space.domains)
    return plan_by_policy(asked, learner, trials.pending(asked.trial, learner.encoding, space.parameters), is_new)


def _plan_by_surrogate(asked: AskedTrial, surrogate: SurrogateProposer, is_new: IsNewFn | None) -> PlannedTrial | None:
    """Returns the surrogate's plan of a whole trial; None if the surrogate has nothing to propose."""
    number, its = asked.number, asked.knowledge.learner
    here, elsewhere = asked.knowledge.trials.others(asked.trial)
    pending = [*(other.observed for other in here), *elsewhere]

    def plan(found: SurrogateProposal) -> PlannedTrial:
        fingerprint = config_fingerprint(its.encoding, found.actions)
        return PlannedTrial(number, SURROGATE, found.actions, fingerprint, {}, asked.rng(), numbers=found.numbers)

    rng = generator(its.current.seed, Purpose.SURROGATE, number)
    accepts = None if is_new is None else lambda found: bool(is_new(plan(found)))
    found = surrogate.propose(its.space, asked.domains, pending, rng, accepts, its.sources)
    return None if found is None else plan(found)


def plan_by_policy(
    asked: AskedTrial, learner: Learner, pending: UInt64[np.ndarray, "pending"], is_new: IsNewFn | None
) -> PlannedTrial:
    """Returns the plan of the policy or the warm start for a trial, given the parameters that the trial has already.

    Args:
        asked: The trial.
        learner: The learner that plans; its space has all parameters of the trial.
        pending: The fingerprints of configurations that may not be proposed.
        is_new: See `IsNewFn`; None if every configuration is a network of its own.
    """
    space, params, name, domain = asked.knowledge.space, asked.params, asked.name, asked.domain
    asking = dataclasses.replace(learner, sampled=asked.number)
    permitted = space.allowed(params, name, domain, learner.encoding.tables)
    choices = list(space.parameters.actions)
    first = [choices.index(known) + 1 for known in (*params, name)]
    order = np.arange(len(permitted))
    if first != [1]:
        rules, order = reorder_rules(learner.encoding.tables.rules, 0, first)
        # On the device, as the other tables are: JAX would compile the draw anew for a mixture.
        rules, longest = placed((rules, np.array(1 + len(choices), np.int32)))
        tables = learner.tables._replace(rules=rules, longest=longest)
        warm_start = learner.warm_start
        if warm_start is not None:
            warm_start = dataclasses.replace(warm_start, action_indices=warm_start.action_indices[..., order])
        asking = dataclasses.replace(asking, tables=tables, warm_start=warm_start)

    def middle() -> Bool[np.ndarray, "choices options"]:
        return space.middle(params, name, domain, permitted)[order]

    repeatable = asked.knowledge.trials.best.varied(space.domains)
    draws = _Draws(asking, permitted[order], middle, order, repeatable, is_new, asked.rng())
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
        rng: Draws the values of the trial.
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
                new = left < 0 or is_new(PlannedTrial(0, 0, actions, np.uint64(0), {}, self.rng))
                if new:
                    return np.array([at])
                if new is False:
                    refused.add(indices)
            return np.array([candidates.shape[1]])

        return find


def _numbers(learner: Learner, fingerprint: np.uint64) -> dict[str, float]:
    """Returns the numbers of a remembered configuration whose actions stand for several."""
    assert learner.warm_start is not None
    choices = learner.encoding.problems[0].space.choices
    numbers = learner.warm_start.numbers(0, 0, fingerprint)[1:].tolist()
    return {choice.name: its for choice, its in zip(choices, numbers, strict=False) if not math.isnan(its)}
