"""A search of a space that nobody declared: a program asks for one parameter after the other, and may ask for any.

A trial is planned as far as the space is known: a whole configuration is drawn from the policy, or taken from the warm
start, given the parameters so far. The search answers from the plan while the program asks as planned. If the program
asks for another parameter, the rest is drawn anew. So every answer follows the policy given the parameters before it,
and these are encoded once for a plan, not for each answer.
"""

import dataclasses
from collections.abc import Hashable, Mapping

from ..agent import Agent
from ..learning.bandit import NOBODY
from ..learning.config import TrainingConfig
from ..learning.scores import Score
from ..learning.thompson import BanditConfig
from ..spaces.condition import Action
from ..spaces.domain import Domain
from ..spaces.vocabulary import TransferReport
from .knowledge import SearchKnowledge
from .learner import DefineByRunLearner
from .networks import TrialNetworks
from .plan_values import value_of_plan
from .planning import plan_on
from .plans import Params, Proposer, as_score
from .source import SourceAgent
from .surrogate_proposer import SurrogateProposer


class DefineByRunSearch(SearchKnowledge):
    """Suggests parameters, and learns from rewards, for one problem.

    Threads may not share a search; the caller holds a lock.

    Example:
        ```python
        search, rate = DefineByRunSearch("networks", "digits", seed=0), NumericDomain(1e-4, 1.0, log=True)
        for trial in range(20):
            value = search.suggest(trial, {}, "lr", rate)
            search.tell(trial, {"lr": (rate, value)}, -abs(value - 0.01))
        ```
    """

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
        networks: TrialNetworks | None = None,
    ) -> None:
        """Begins a search.

        Args:
            space: The name of the space.
            task: The name of the task.
            config: Hyperparameters; by default those of the source, else `TrainingConfig()`.
            seed: The seed of all random numbers.
            source: The agent that the search starts from; None for an agent that knows nothing.
            rename: From states that the source knows to parameters that mean the same.
            fill: The values that new parameters had before they were parameters.
            learns: Whether the search learns from rewards.
            resumes: Whether the search continues that of the source, if the source has no other problem.
            networks: The user's key, without trials; None if every configuration is a network of its own.
        """
        config = config or (TrainingConfig() if source is None else source.config)
        # Without a proposer bandit, its configuration still tells how many numbers are remembered.
        size = (config.transfer.bandit or BanditConfig()).warm_start
        self._unused_rename, starts = source is None and bool(rename), None
        if source is not None:
            starts = SourceAgent(source, (space, task), size, rename or {}, fill or {}, resumes)
        resumed = starts.agent.learner if starts is not None and starts.resumed else None
        learner = DefineByRunLearner((space, task), config, seed, starts, learns, resumed)
        surrogate = None if config.proposal.surrogate is None else SurrogateProposer(config.proposal.surrogate)
        super().__init__(learner, surrogate, networks)

    @property
    def task(self) -> str:
        """The name of the task."""
        return self.learner.names[1]

    @property
    def renamed(self) -> tuple[str, ...]:
        """The names of parameters to which `rename` goes."""
        source = self.learner.source
        return () if source is None else tuple(source.rename.values())

    @property
    def unused_rename(self) -> bool:
        """Whether `rename` was given without a source, so that it is not used."""
        return self._unused_rename

    @property
    def unused_fill(self) -> tuple[str, ...]:
        """The names in `fill` of which no earlier configuration gets its value, see `learning.transfer.unused_fill`."""
        source, learner = self.learner.source, self.learner.learner
        return () if source is None else source.unused_fill(learner is not None and learner.bandit is not None)

    def agent(self) -> Agent | None:
        """Returns the agent that has learned from all trials: before the first question, the source."""
        return self.learner.agent(self.trials.best.trials)

    def proposer(self, trial: Hashable) -> Proposer | None:
        """Returns the proposer of an open trial; None if the trial, or a part of it, was not proposed here."""
        plan = self.trials.plan(trial)
        return None if plan is None or plan.proposer == NOBODY else self.learner.proposer(plan)

    def transfer_report(self) -> TransferReport | None:
        """Returns the share of the problem that the source had seen; None without a source."""
        return self.learner.transfer_report()

    def reseed(self, seed: int) -> None:
        """Draws other random numbers from now on."""
        self.learner = self.learner.reseeded(seed)

    def asked_for(self, trial: Hashable) -> bool:
        """Returns whether a trial was asked for here, and is still open."""
        return self.trials.plan(trial) is not None

    def suggest(self, trial: Hashable, params: Params, name: str, domain: Domain) -> object:
        """Returns a value for the next parameter of a trial.

        Args:
            trial: The trial. A whole number counts the trials of all who search, and the draws are this trial's own.
            params: The parameters of the trial so far, whoever chose their values.
            name: The name of the next parameter.
            domain: The values that the next parameter can have.

        Raises:
            RuntimeError, TypeError: The user's key failed, see `TrialNetworks`.
            ValueError: A name or a value cannot be part of a space.
        """
        plan = plan_on(self, trial, params, name, domain)
        self.space.domains[name] = domain
        value = plan.given[name] = value_of_plan(self, plan, name, domain, plan.rng)
        return value

    def tell(
        self,
        trial: Hashable,
        params: Params,
        reward: Score | float | None,
        whole: bool = True,
        completed: bool = False,
    ) -> None:
        """Learns from the reward of a trial.

        Args:
            trial: The trial, which need not have been asked for here.
            params: All parameters of the trial.
            reward: The reward or score, higher is better. It may be infinite, but not NaN. None for a trial that is
                not learned from, only not proposed again.
            whole: Whether the trial came to its end, so that its configuration has no further parameters.
            completed: Whether the search only completed a configuration of somebody else, so that the reward says
                nothing of its proposers.

        Raises:
            ValueError: The reward is NaN.
        """
        score, plan = as_score(reward), self.trials.close(trial)
        if plan is not None and completed:
            plan = dataclasses.replace(plan, proposer=NOBODY)
        if params and self.learner.learns:
            self.learn(params, score, plan, whole)
        self.finish(trial, params, whole)

    def finish(self, trial: Hashable, params: Params, whole: bool = True) -> None:
        """Takes note of the network of a finished trial, without learning; see `tell`."""
        self.close_network(trial)
        self.finish_network(params, whole)
