"""All that a search of an undeclared space knows, as one value that is copied, learns, and is saved as a whole."""

import copy
import heapq
from collections.abc import Hashable, Mapping, Sequence
from typing import Self

import numpy as np

from ..learning.bandit import NOBODY, WARM_START
from ..learning.expected_best import ExpectedBest
from ..learning.learner import Learner
from ..learning.numbers import BEST
from ..learning.scores import Score
from ..spaces.condition import Action
from ..spaces.domain import Domain
from ..spaces.schema import Json
from .learner import DefineByRunLearner
from .networks import TrialNetworks
from .plans import (
    ExternalTrial,
    ObservedTrial,
    Params,
    PlannedTrial,
    as_score,
    compute_fingerprint,
    config_fingerprint,
    value_of,
    values_of,
)
from .space import DefineByRunSpace, Evidence, recent_configs
from .surrogate_proposer import SurrogateProposer
from .trials import FinishedTrial, SearchTrials

_FIELDS = ("evidence", "discovery", "failed", "surrogate", "rewards", "best", "plans")  # in the order of files


class SearchKnowledge:
    """The parts of a search, which follow one another: where the space grows, the learner and the trials do.

    A search is this knowledge, and is copied and replaced with it as a whole.

    Attributes:
        learner: The learner of the search.
        space: The space, as far as it is known.
        trials: The trials that are open, that failed, and that were best.
        surrogate: The Gaussian process over the trials; None if the configuration has none.
        networks: The networks of the trials; None if the user gave no key.
    """

    def __init__(
        self, learner: DefineByRunLearner, surrogate: SurrogateProposer | None, networks: TrialNetworks | None
    ) -> None:
        """Begins a search without trials, with the space of a learner that goes on."""
        self.learner, self.surrogate, self.networks = learner, surrogate, networks
        self.space, self.trials = DefineByRunSpace(learner.names[0]), SearchTrials()
        if learner.learner is not None:
            self.space = DefineByRunSpace.of(learner.space, Evidence(recent_configs(learner.learner, 0)))
            self.rebuild()

    def forked(self) -> Self:
        """Returns a copy that goes on independently.

        A caller that tells the fork, and then puts the fork in the place of the search, is safe from interrupts: the
        search has learned from all of the trials, or from none of them.
        """
        fork = copy.copy(self)
        fork.space, fork.trials = self.space.copy(), self.trials.copy()
        fork.surrogate = None if self.surrogate is None else self.surrogate.copy()
        fork.networks = None if self.networks is None else self.networks.copy()
        return fork

    def declare(self, domains: Mapping[str, Domain]) -> None:
        """Takes up parameters before they are asked for, in this order; those that are known gain their new actions.

        Raises:
            ValueError: A name or a value cannot be part of a space.
        """
        self.space.grow(domains)
        if self.learner.parameters is not self.space.parameters.actions:  # also after an interrupt of `rebuild`
            self.rebuild()

    def rebuild(self) -> None:
        """Discovers the space anew; the learner and the trials follow."""
        self.learner = self.learner.grown(self.space, self.trials.failed_configs)
        self.trials.refresh_fingerprints(self.learner.encoding)

    def learn(self, params: Params, score: Score | None, plan: PlannedTrial | None, whole: bool) -> None:
        """Learns from one trial.

        Args:
            params: All parameters of the trial.
            score: The score of the trial; None if the trial is only not to be proposed again.
            plan: The plan of the trial; None if the trial was not asked for here.
            whole: Whether the trial came to its end.
        """
        if missing := self.space.forget_expected(params):
            self.trials.drop(missing)
            self.rebuild()
        self.declare({name: domain for name, (domain, _) in params.items()})
        config = self._observe(ObservedTrial.of(params, score))
        if whole:
            self.space.add_evidence([config])
            if not self.learner.space.fits(config) and self.space.is_due:
                self.rebuild()
                self.space.discovered_for(self.learner.space.fits(config))
        trajectory = self.learner.encoding.sequence(0, config)
        proposer = NOBODY if plan is None else plan.proposer_of(config)
        if score is None:
            self.trials.fail(config, self.learner.encoding)
            learner = self.learner.failed(config, proposer)
        else:
            self._remember(score, config, params, compute_fingerprint(trajectory))
            # The trial after a turn of the surrogate's is the policy's, which learns from both then.
            waits = plan is not None and self.surrogate_of(plan.number) is not None
            learner = self.learner.learned(trajectory, score, proposer, plan is None, waits)
        if plan is not None and plan.proposer == WARM_START and plan.was_left(config, whole):
            # Somebody else, such as a sampler with fixed parameters, would change the same plan again.
            learner = learner.without_start(plan.actions, config)
        self.learner = learner

    def tell_many(self, trials: Sequence[ExternalTrial], steps: int) -> None:
        """Learns from old trials, as `DefineByRunSearch.tell` does, but in fewer steps.

        Args:
            trials: Trials that were not asked for here, whose parameters are declared.
            steps: The number of updates of the policy.
        """
        self.space.add_evidence([trial.actions for trial in trials if trial.whole])
        if not all(map(self.learner.space.fits, self.space.evidence.configs)):
            self.rebuild()
        encoding = self.learner.encoding
        for trial in trials:
            self._observe(trial.observed)
            self.finish_network(trial.params, trial.whole)
        for trial in heapq.nlargest(BEST, trials, key=lambda trial: trial.score):
            self._remember(trial.score, trial.actions, trial.params, config_fingerprint(encoding, trial.actions))
        configs, scores = [trial.actions for trial in trials], [trial.score for trial in trials]
        self.learner = self.learner.learned_many(configs, scores, steps)

    def recall(self, params: Params, reward: Score | float | None, whole: bool) -> None:
        """Takes up a trial that the learner learned from before this search began; see `DefineByRunSearch.tell`."""
        if not params:
            return
        score = as_score(reward)
        self.declare({name: domain for name, (domain, _) in params.items()})
        config = self._observe(ObservedTrial.of(params, score))
        if whole:
            self.space.add_evidence([config], counted=False)
        if score is None:
            self.trials.fail(config, self.learner.encoding)
        else:
            self._remember(score, config, params, config_fingerprint(self.learner.encoding, config))
        self.finish_network(params, whole)

    def evaluated_elsewhere(self, trials: Mapping[Hashable, ObservedTrial]) -> None:
        """Takes note of all trials that others evaluate at this time, so that none of them is proposed here.

        Args:
            trials: The trials, as far as their parameters are known. Those asked for here may be left out.
        """
        self.trials.evaluated_elsewhere(trials)
        if self.networks is not None:
            known = self.space.domains.keys()
            whole = {trial: its for trial, its in trials.items() if its.actions.keys() <= known and self._has_all(its)}
            self.networks.evaluated_elsewhere({trial: self._values(its) for trial, its in whole.items()})

    def expected_best(self) -> ExpectedBest | None:
        """Returns the trial with the best expected reward; None if no trial was told, or there is no surrogate."""
        if self.surrogate is None or self.learner.learner is None:
            return None
        found = self.surrogate.expected_best(self.learner.space, self.space.domains, self.learner.sources)
        return None if found is None else ExpectedBest(self._values(found[0]), *found[1])

    def close_network(self, trial: Hashable) -> None:
        """Takes note that a trial is not open any more, or that its network is not known."""
        if self.networks is not None:
            self.networks.close(trial)

    def finish_network(self, params: Params, whole: bool) -> None:
        """Takes up the network of a finished trial, unless the trial stopped before it asked for all parameters.

        Args:
            params: The parameters of the trial.
            whole: Whether the trial came to its end. If not, the space tells whether the trial has all parameters.
        """
        if self.networks is not None and params and (whole or self._has_all(ObservedTrial.of(params))):
            self.networks.finish(values_of(params), whole)

    def state(self) -> Json:
        """Returns as JSON all but the learner and the networks; trials must be named by strings or whole numbers."""
        kept = self.learner.to_json() | self.space.to_json() | self.trials.to_json()
        if self.surrogate is not None:
            kept["surrogate"] = self.surrogate.to_json()
        return {field: kept[field] for field in _FIELDS if field in kept}

    def restored(self, learner: Learner, value: Json, domains: Mapping[str, Domain]) -> Self:
        """Returns the search that was saved as a learner and JSON, which goes on.

        You may tell the rewards of its open trials; they ask for no more parameters.

        Args:
            learner: The learner of the search that was saved.
            value: The JSON that `state` returned.
            domains: The parameters.

        Raises:
            LookupError, TypeError, ValueError: The JSON does not belong to such a learner, or to such parameters.
        """
        found = copy.copy(self)
        found.space = DefineByRunSpace.from_json(value, learner.encoding)
        found.learner = self.learner.restored(learner, value, found.space)
        found.trials = SearchTrials.from_json(value, learner.encoding, learner.seed)
        if self.surrogate is not None:
            found.surrogate = SurrogateProposer.from_json(value["surrogate"], self.surrogate.config)
        found.declare(domains)
        found.trials.best.check(domains)
        return found

    def surrogate_of(self, number: int) -> SurrogateProposer | None:
        """Returns the surrogate if the trial of this number is its to propose, even if it finds nothing to propose."""
        due = self.surrogate is not None and self.surrogate.proposes(number, bool(self.learner.sources))
        return self.surrogate if due else None

    def _has_all(self, trial: ObservedTrial) -> bool:
        """Returns whether a trial has all parameters, as far as the space is known."""
        return self.learner.learner is not None and self.learner.space.fits(trial.actions)

    def _values(self, trial: ObservedTrial) -> dict[str, object]:
        """Returns the values of a trial, whose parameters are known."""
        return {name: value_of(trial, name, self.space.domains[name]) for name in trial.actions}

    def _observe(self, trial: ObservedTrial) -> dict[str, Action]:
        """Gives a trial to the surrogate, and returns the trial's actions."""
        if self.surrogate is not None:
            self.surrogate.add(trial)
        return dict(trial.actions)

    def _remember(self, score: Score, config: dict[str, Action], params: Params, fingerprint: np.uint64) -> None:
        """Keeps a trial if it is one of the best."""
        self.trials.remember(FinishedTrial(score, config, values_of(params), fingerprint))
