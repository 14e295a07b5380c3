"""Searching a space that nobody declared: a program asks for one parameter after the other, and may ask for any.

A trial is planned ahead as far as the space is known: a whole configuration is drawn from the policy (or comes from the
warm start), under what was taken already, and answers are given from it while the program asks as foreseen. Where it
does not, the rest is drawn anew, under all that was taken in truth. So every answer is the policy's, given what came
before; the past is encoded once for a plan, not for each answer.
"""

import copy
import heapq
from collections.abc import Hashable, Mapping, Sequence

import numpy as np

from ..agent import Agent
from ..learning.bandit import WARM_START
from ..learning.config import TrainingConfig
from ..learning.learner import Learner
from ..learning.scores import Score
from ..learning.thompson import BanditConfig
from ..spaces.condition import Action, is_same_action
from ..spaces.domain import Domain, NumericDomain
from ..spaces.schema import Json
from ..spaces.vocabulary import TransferReport
from .evidence import recent_configs
from .learner import DefineByRunLearner
from .planning import plan_by_policy, plan_by_surrogate
from .plans import (
    NOBODY,
    ExpectedBest,
    ExternalTrial,
    ObservedTrial,
    Params,
    PlannedTrial,
    Proposer,
    as_score,
    compute_fingerprint,
    config_fingerprint,
    value_of,
    values_of,
)
from .source import SourceAgent
from .space import DefineByRunSpace
from .surrogate_proposer import SurrogateProposer
from .trials import BEST, FinishedTrial, SearchTrials

_FIELDS = ("evidence", "discovery", "failed", "surrogate", "rewards", "best", "plans")  # in the order of files


class DefineByRunSearch:
    """Asks and tells of one problem. No threads may share it; the caller holds a lock."""

    def __init__(
        self,
        space: str,
        task: str,
        config: TrainingConfig | None = None,
        seed: int = 0,
        source: Agent | None = None,
        rename: Mapping[str, str] | None = None,
        fill: Mapping[str, Action] | None = None,
        learns: bool = True,
        resumes: bool = False,
    ) -> None:
        """Begins a search.

        Args:
            space: its name.
            task: its name.
            config: hyperparameters; by default the source's, else `TrainingConfig()`.
            seed: of everything random.
            source: the agent that it starts from; None for one that knows nothing.
            rename: from states that the source knows to parameters that mean the same.
            fill: what parameters were before they were asked for.
            learns: whether it learns from what it is told.
            resumes: whether it goes on with the source's own search, if that is of this problem alone.
        """
        config = config or (TrainingConfig() if source is None else source.config)
        names, given = (space, task), (rename or {}, fill or {}, resumes)
        size = (
            config.transfer.bandit or BanditConfig()
        ).warm_start  # without a proposer bandit, they still say which numbers to try
        starts = None if source is None else SourceAgent(source, names, size, *given)
        self._known = DefineByRunLearner(names, config, seed, starts, learns)
        self._space, self._trials = DefineByRunSpace(space), SearchTrials()
        self._surrogate = None if config.proposal.surrogate is None else SurrogateProposer(config.proposal.surrogate)
        if (learner := self._known.learner) is not None:  # which goes on
            self._space.take(self._known.space)
            self._space.add_evidence(recent_configs(learner, 0), counted=False)
            self._rebuild()

    @property
    def learner(self) -> Learner | None:
        """What it knows; None before the first question."""
        return self._known.learner

    def agent(self) -> Agent | None:
        """Returns the agent that knows what this search does: its source before anything was asked for."""
        return self._known.agent(self._trials.best.trials)

    def expected_best(self) -> ExpectedBest | None:
        """Returns the trial that is expected to be best, by its reward; see `SurrogateProposer.expected_best`.

        None where nothing was told, or there is no surrogate.
        """
        if self._surrogate is None or self._known.learner is None:
            return None
        domains = self._space.domains
        found = self._surrogate.expected_best(self._known.space, domains)
        if found is None:
            return None
        values = {name: value_of(found.trial, name, domains[name]) for name in found.trial.actions}
        return ExpectedBest(values, found.reward, found.deviation)

    def proposer(self, trial: Hashable) -> Proposer | None:
        """Returns who proposed a trial that is not told yet; None where nobody did here, or not all of it."""
        plan = self._trials.plan(trial)
        return None if plan is None or plan.proposer == NOBODY else self._known.proposer(plan)

    def transfer_report(self) -> TransferReport | None:
        """Returns how much of the problem the source had seen, as far as the space is known; None without a source."""
        return self._known.transfer_report()

    @property
    def warm_start_size(self) -> int:
        """How many configurations of earlier problems are to be tried first."""
        return self._known.warm_start_size

    def reseed(self, seed: int) -> None:
        """Draws other random numbers from now on."""
        self._known.reseed(seed)

    def forked(self) -> "DefineByRunSearch":
        """Returns the search as it is, to go on by itself: what it is told changes nothing here.

        Whoever tells a fork and then puts it in the place of the search is safe from interrupts: all that was told is
        known, or nothing of it.
        """
        fork = copy.copy(self)
        fork._known, fork._space, fork._trials = self._known.copy(), self._space.copy(), self._trials.copy()
        fork._surrogate = None if self._surrogate is None else self._surrogate.copy()
        return fork

    def declare(self, domains: Mapping[str, Domain]) -> None:
        """Takes up parameters before they are asked for, in this order, where a program knows them beforehand.

        Raises:
            ValueError: a name or a value cannot be part of a space.
        """
        if self._space.grow(domains):
            self._rebuild()

    def state(self) -> Json:
        """Returns as JSON what the learner does not hold; trials must be strings or whole numbers."""
        kept = self._known.to_json() | self._space.to_json() | self._trials.to_json()
        if self._surrogate is not None:
            kept["surrogate"] = self._surrogate.to_json()
        return {field: kept[field] for field in _FIELDS if field in kept}

    def restore(self, learner: Learner, state: Json, domains: Mapping[str, Domain]) -> None:
        """Goes on as the search would have whose learner and state these are.

        Trials that were asked for may be told; they ask for nothing more.

        Args:
            learner: the search's.
            state: what `state` returned.
            domains: what its parameters can be.

        Raises:
            LookupError, TypeError, ValueError: the state is none of such a learner, or of such parameters.
        """
        self._known.restore(learner, state)
        self._space = DefineByRunSpace.from_json(state, learner.encoding)
        self._trials = SearchTrials.from_json(state, learner.encoding, learner.seed)
        if self._surrogate is not None:
            self._surrogate = SurrogateProposer.from_json(state["surrogate"], self._surrogate.config)
        self.declare(domains)
        self._trials.best.check(domains)

    def asked_for(self, trial: Hashable) -> bool:
        """Returns whether a trial was asked for here, and not told yet."""
        return self._trials.plan(trial) is not None

    def evaluated_elsewhere(self, trials: Mapping[Hashable, ObservedTrial]) -> None:
        """Takes note of the trials that others evaluate at this time, so that none of them is proposed here.

        Args:
            trials: what each took; trials that were asked for here need not be among them.
        """
        self._trials.evaluated_elsewhere(trials)

    def suggest(self, trial: Hashable, params: Params, name: str, domain: Domain) -> object:
        """Returns a value for the next parameter of a trial.

        Args:
            trial: which one. A whole number counts the trials of all who search; the draws are this trial's own.
            params: its parameters so far, whoever chose their values.
            name: of the parameter that is asked for.
            domain: what it can be.

        Raises:
            ValueError: a name or a value cannot be part of a space.
        """
        plan = self._trials.plan(trial)
        if plan is None or not plan.goes_on(params, name, domain):
            source = None if self._known.has_learned else self._known.source
            if plan is not None and plan.seen == len(params) and self._space.is_unforeseen(params, name, source):
                self._space.unforeseen.put(plan, name, domain)
            else:
                plan = self._plan(trial, plan, params, name, domain)
        self._space.domains[name] = domain
        value = plan.given[name] = self._value(plan, name, domain)
        return value

    def _value(self, plan: PlannedTrial, name: str, domain: Domain) -> object:
        action, number = plan.actions[name], plan.numbers.get(name)
        if number is not None and isinstance(domain, NumericDomain) and is_same_action(domain.action(number), action):
            return domain.near(number, 0.0, 0.0)  # as it was, as far as the range has it
        source = self._known.source
        before = None if source is None else source.number(name, action)
        return self._trials.best.value(name, action, domain, plan.rng, before)

    def tell(self, trial: Hashable, params: Params, reward: Score | float | None, whole: bool = True) -> None:
        """Takes the reward of a trial, higher is better.

        Args:
            trial: which one; it need not have been asked for here.
            params: all its parameters.
            reward: may be infinite, but not NaN, or a score; None for a trial that is not learned from, only not
                proposed again.
            whole: whether it came to its end, so that what it did not ask for is no part of its configuration.

        Raises:
            ValueError: the reward is NaN.
        """
        score = as_score(reward)
        plan = self._trials.close(trial)
        if not params or not self._known.learns:
            return
        config = self._observe(ObservedTrial.of(params, score))
        if missing := self._space.forget_expected(params):
            self._trials.drop(missing)
            self._rebuild()
        self.declare({name: domain for name, (domain, _) in params.items()})
        if whole:
            self._space.add_evidence([config])
            if not self._known.space.fits(config) and self._space.is_due:
                self._rebuild()
                self._space.discovered_for(self._known.space.fits(config))
        trajectory = self._known.encoding.sequence(0, config)
        proposer = plan.proposer if plan is not None and plan.actions == config else NOBODY
        if score is None:
            self._trials.fail(config, self._known.encoding)
            self._known.fail(config, proposer)
        else:
            self._remember(score, config, params, compute_fingerprint(trajectory))
            self._known.learn(trajectory, score, proposer, others=plan is None)

    def tell_many(self, trials: Sequence[ExternalTrial], steps: int) -> None:
        """Takes the scores of old trials, as `tell` does one by one, but learns in fewer steps.

        Args:
            trials: none was asked for here; their parameters are declared.
            steps: how often the policy learns.
        """
        self._space.add_evidence([trial.actions for trial in trials if trial.whole])
        if not self._space.explained_by(self._known.space):
            self._rebuild()
        for trial in trials:
            self._observe(trial.observed)
        for trial in heapq.nlargest(BEST, trials, key=lambda trial: trial.score):
            self._remember(
                trial.score, trial.actions, trial.params, config_fingerprint(self._known.encoding, trial.actions)
            )
        self._known.learn_many([trial.actions for trial in trials], [trial.score for trial in trials], steps)

    def recall(self, params: Params, reward: Score | float | None, whole: bool) -> None:
        """Takes up a trial that the agent learned from before this search began, as `tell` but for the learning."""
        if not params:
            return
        score = as_score(reward)
        config = self._observe(ObservedTrial.of(params, score))
        self.declare({name: domain for name, (domain, _) in params.items()})
        if whole:
            self._space.add_evidence([config], counted=False)
        if score is None:
            self._trials.fail(config, self._known.encoding)
        else:
            self._remember(score, config, params, config_fingerprint(self._known.encoding, config))

    def _observe(self, trial: ObservedTrial) -> dict[str, Action]:
        """Takes a trial up among those that the surrogate knows, and returns its actions."""
        if self._surrogate is not None:
            self._surrogate.add(trial)
        return dict(trial.actions)

    def _remember(self, score: Score, config: dict[str, Action], params: Params, fingerprint: np.uint64) -> None:
        """Keeps a trial that is one of the best."""
        self._trials.best.add(FinishedTrial(score, config, values_of(params), fingerprint))

    def _plan(
        self, trial: Hashable, earlier: PlannedTrial | None, params: Params, name: str, domain: Domain
    ) -> PlannedTrial:
        """Plans a trial, anew where the program does not ask for what was planned earlier."""
        self.declare({**{known: its for known, (its, _) in params.items()}, name: domain})
        learner, plan = self._known.learner, None
        assert learner is not None
        count = trial if isinstance(trial, int) else learner.sampled
        number = count if earlier is None else earlier.number
        if earlier is None and not params and self._surrogate is not None and self._surrogate.proposes(number):
            here, elsewhere = self._trials.others(trial)
            pending = [*(other.observed for other in here), *elsewhere]
            domains = {**self._space.domains, name: domain}
            plan = plan_by_surrogate(self._surrogate, learner, number, domains, pending)
        if plan is None or name not in plan.actions:
            excluded = self._trials.pending(trial, learner.encoding, self._space.parameters)
            repeatable = self._trials.best.varied(self._space.domains)
            plan = plan_by_policy(learner, number, self._space, params, name, domain, excluded, repeatable)
        if earlier is None:
            self._known.count(number)
        else:
            if earlier.proposer == WARM_START and learner.learned:  # the program does not ask for it, and never will
                self._known.fail(earlier.actions, WARM_START)
            plan.given.update(earlier.given)
            plan.rng = earlier.rng
        self._trials.open(trial, plan)
        return plan

    def _rebuild(self) -> None:
        """Discovers the space anew; the learner and the trials follow."""
        self._known.follow(self._space)
        self._trials.refresh_fingerprints(self._known.encoding)
        self._space.built()
