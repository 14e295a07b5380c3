"""The trials of a search: open trials, trials that others evaluate, failed trials, and the best trials."""

import copy
import dataclasses
import math
import operator
from collections.abc import Collection, Hashable, Mapping
from typing import NamedTuple

import numpy as np
from jaxtyping import UInt64

from ..learning.numbers import BEST, NumberDraw
from ..learning.randomness import Purpose, generator
from ..learning.scores import Score, TrialOutcome
from ..spaces.condition import Action, is_same_action
from ..spaces.domain import CategoricalDomain, Domain, NumericDomain
from ..spaces.encoding import Encoding
from ..spaces.schema import Json
from .discovery import Parameters
from .plans import ObservedTrial, Params, PlannedTrial, config_fingerprint

_MOST_PLANS = 1_000  # open at a time; beyond them, the oldest are given up (not for tuning)


class SearchTrials:
    """The trials of one search, with fingerprints in the present encoding of its problem.

    Attributes:
        best: The best trials.
    """

    def __init__(self) -> None:
        """Begins without trials."""
        self.best = TopTrials()
        self._plans: dict[Hashable, PlannedTrial] = {}
        self._shared: set[Hashable] = set()  # the trials whose plans a copy has too
        self._elsewhere: dict[Hashable, ObservedTrial] = {}
        self._failed: dict[np.uint64, dict[str, Action]] = {}  # by their fingerprints

    def copy(self) -> "SearchTrials":
        """Returns a copy that changes independently."""
        self._shared.update(self._plans)
        trials = copy.copy(self)
        trials._plans, trials._failed, trials._shared = dict(self._plans), dict(self._failed), set(self._plans)
        return trials

    def plan(self, trial: Hashable) -> PlannedTrial | None:
        """Returns the plan of a trial; None if the trial is not open."""
        return self._plans.get(trial)

    def followed_plan(self, trial: Hashable, params: Params) -> PlannedTrial | None:
        """Returns the plan of a trial to go on with, which no copy of this has; None if the trial is not open."""
        if (plan := self._plans.get(trial)) is not None:
            self.open(trial, (plan.copy() if trial in self._shared else plan).followed(params))
        return self._plans.get(trial)

    def open(self, trial: Hashable, plan: PlannedTrial) -> None:
        """Opens a trial with a plan, which replaces an earlier plan."""
        while trial not in self._plans and len(self._plans) >= _MOST_PLANS:
            self.close(next(iter(self._plans)))
        self._plans[trial] = plan
        self._shared.discard(trial)

    def close(self, trial: Hashable) -> PlannedTrial | None:
        """Closes a trial, and returns its plan; None if the trial was not open."""
        self._shared.discard(trial)
        return self._plans.pop(trial, None)

    def drop(self, names: Collection[str]) -> None:
        """Drops the plans that have one of these parameters, which were forgotten."""
        for trial in [trial for trial, plan in self._plans.items() if not plan.actions.keys().isdisjoint(names)]:
            self.close(trial)

    def evaluated_elsewhere(self, trials: Mapping[Hashable, ObservedTrial]) -> None:
        """Takes note of all trials that others evaluate at this time, see `DefineByRunSearch.evaluated_elsewhere`."""
        self._elsewhere = dict(trials)

    def others(self, trial: Hashable) -> tuple[list[PlannedTrial], list[ObservedTrial]]:
        """Returns the other trials that are being evaluated: the plans of open trials, and the trials of others."""
        here = [plan for known, plan in self._plans.items() if known != trial]
        return here, [one for known, one in self._elsewhere.items() if known not in self._plans]

    def turn(self, trial: Hashable) -> int | None:
        """Returns the number of running trials that began before a trial; None if no other trial is running.

        The trials of other programs have no turns, unless whole numbers count them.
        """
        others = [one for one in self._elsewhere if isinstance(one, int) and one != trial]
        return sum(one < trial for one in others) if others and isinstance(trial, int) else None

    def strangers(self, trial: Hashable, parameters: Parameters) -> list[Mapping[str, Action]]:
        """Returns the actions of other programs' running trials with an action that the parameters do not have."""
        known = parameters.position
        return [
            one.actions
            for one in self.others(trial)[1]
            if any(known(*name_and_action) is None for name_and_action in one.actions.items())
        ]

    @property
    def failed(self) -> UInt64[np.ndarray, "failed"]:
        """The fingerprints of failed configurations, which are not proposed again."""
        return np.array([*self._failed], np.uint64)

    @property
    def failed_configs(self) -> list[dict[str, Action]]:
        """The failed configurations."""
        return [*self._failed.values()]

    def pending(self, trial: Hashable, encoding: Encoding, parameters: Parameters) -> UInt64[np.ndarray, "pending"]:
        """Returns the fingerprints that are not proposed for a trial: those of pending and of failed configurations.

        Args:
            trial: The trial.
            encoding: The encoding of the problem.
            parameters: The parameters of the problem. Trials of others with further actions are left out.
        """
        (here, others), strangers = self.others(trial), self.strangers(trial, parameters)
        elsewhere = [config_fingerprint(encoding, one.actions) for one in others if one.actions not in strangers]
        return np.array([*(plan.fingerprint for plan in here), *elsewhere, *self._failed], np.uint64)

    def fail(self, config: dict[str, Action], encoding: Encoding) -> None:
        """Takes note of a failed configuration, which is not proposed again."""
        self._failed.setdefault(config_fingerprint(encoding, config), config)

    def remember(self, trial: "FinishedTrial") -> None:
        """Keeps a finished trial if it is one of the best."""
        self.best = self.best.with_trial(trial)

    def refresh_fingerprints(self, encoding: Encoding) -> None:
        """Computes all fingerprints anew after a change of the encoding."""
        self._failed = {config_fingerprint(encoding, config): config for config in self._failed.values()}
        self.best = self.best.refreshed(encoding)
        for trial, plan in self._plans.items():
            self._plans[trial] = dataclasses.replace(plan, fingerprint=config_fingerprint(encoding, plan.actions))

    def to_json(self) -> Json:
        """Returns the trials as JSON; open trials must be named by strings or whole numbers."""
        plans = [
            [trial, plan.number, plan.proposer, plan.actions, dict(plan.observed.numbers)]
            for trial, plan in self._plans.items()
        ]
        return {"failed": [*self._failed.values()], "best": self.best.to_json(), "plans": plans}

    @classmethod
    def from_json(cls, value: Json, encoding: Encoding, seed: int) -> "SearchTrials":
        """Returns the trials that `to_json` described, without the values that open trials were given.

        Args:
            value: The JSON.
            encoding: The encoding of the problem.
            seed: The seed of the search.

        Raises:
            LookupError, TypeError, ValueError: The JSON does not fit the problem.
        """
        trials = cls()
        trials.best = TopTrials.from_json(value["best"]).refreshed(encoding)
        trials._plans = {
            trial: PlannedTrial(
                operator.index(number),
                operator.index(proposer),
                actions,
                config_fingerprint(encoding, actions),
                {},
                generator(seed, Purpose.VALUE, number),
                numbers=numbers,
            )
            for trial, number, proposer, actions, numbers in value["plans"]
        }
        for config in value["failed"]:
            trials.fail(config, encoding)
        return trials


class FinishedTrial(NamedTuple):
    """A finished trial with a score."""

    score: Score
    actions: dict[str, Action]
    values: dict[str, object]
    fingerprint: np.uint64 = np.uint64(0)


class TopTrials(NamedTuple):
    """The best trials so far, near whose numbers others are drawn: a bin stands for many numbers.

    Attributes:
        trials: The trials, best first.
    """

    trials: tuple[FinishedTrial, ...] = ()

    def with_trial(self, trial: FinishedTrial) -> "TopTrials":
        """Returns the best trials with a further trial, if it is one of the best."""
        return TopTrials(tuple(sorted([*self.trials, trial], key=lambda one: one.score, reverse=True)[:BEST]))

    def varied(self, domains: Mapping[str, Domain]) -> UInt64[np.ndarray, "trials"]:
        """Returns the fingerprints of the trials with an action that stands for more than one value.

        They may be proposed again, because their bins have other values to try. Worse configurations may not, because a
        policy that is wrong about a configuration would propose it again and again.

        Args:
            domains: The parameters.
        """
        numbers = {name for name, each in domains.items() if isinstance(each, NumericDomain) and each.continuous}
        varied = [trial.fingerprint for trial in self.trials if not numbers.isdisjoint(trial.actions)]
        return np.array(varied, np.uint64)

    def refreshed(self, encoding: Encoding) -> "TopTrials":
        """Returns the trials with their fingerprints in another encoding."""
        found = (one._replace(fingerprint=config_fingerprint(encoding, one.actions)) for one in self.trials)
        return TopTrials(tuple(found))

    def value(
        self, name: str, action: Action, domain: Domain, rng: np.random.Generator, before: float | None = None
    ) -> object:
        """Returns a value of an action of a parameter.

        Args:
            name: The name of the parameter.
            action: An action of the domain.
            domain: The domain of the parameter.
            rng: Draws numbers.
            before: The number of a good trial of an earlier search with this action; None if there is none.
        """
        position = next(at for at, known in enumerate(domain.actions) if is_same_action(known, action))
        if isinstance(domain, CategoricalDomain):
            return domain.values[position]
        known = (trial.values[name] for trial in self.trials if trial.actions.get(name) == action)
        return NumberDraw.of(rng).number(domain, position, next(known, before))  # type: ignore[arg-type]

    def check(self, domains: Mapping[str, Domain]) -> None:
        """Checks restored trials against the domains.

        Raises:
            LookupError, TypeError, ValueError: A trial lacks a number of its parameters.
        """
        for trial in self.trials:
            for name in trial.actions:
                if isinstance(domain := domains[name], NumericDomain):
                    domain.position(trial.values[name])  # type: ignore[arg-type]

    def to_json(self) -> Json:
        """Returns the trials as JSON, with their numbers."""
        return [
            [one.score, one.actions, {n: v for n, v in one.values.items() if type(v) in (int, float)}]
            for one in self.trials
        ]

    @classmethod
    def from_json(cls, value: Json) -> "TopTrials":
        """Returns the trials that `to_json` described.

        Raises:
            TypeError, ValueError: The JSON describes no trials.
        """
        best = cls(
            tuple(
                FinishedTrial(Score(TrialOutcome(outcome), float(reward)), dict(actions), dict(values))
                for (outcome, reward), actions, values in value
            )
        )
        for trial in best.trials:
            for name, value in trial.values.items():
                if name not in trial.actions or type(value) not in (int, float) or not math.isfinite(value):
                    raise ValueError(f"a trial that asked for {list(trial.actions)} has {value!r} for {name!r}")
        return best
