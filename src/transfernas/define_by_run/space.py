"""The space that nobody declared: it grows while a program asks, and its conditions are discovered."""

import copy
import operator
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import NamedTuple

import numpy as np
from jaxtyping import Bool

from ..learning.learner import Learner
from ..spaces.choice import Choice
from ..spaces.condition import Action, Config
from ..spaces.domain import Domain, NumericDomain
from ..spaces.encoding import WIDE, Encoding
from ..spaces.places import middle_bin
from ..spaces.schema import Json
from ..spaces.space import SearchSpace
from ..spaces.tables import Tables
from .discovery import Parameters, discover
from .plans import Params
from .source import SourceAgent
from .unforeseen import UnforeseenParameters

# Not for tuning. This number bounds the time that the discovery of conditions takes.
EVIDENCE = 300
"""The number of trials from which conditions are discovered, at most."""


class Evidence(NamedTuple):
    """The trials from which conditions are discovered.

    Attributes:
        configs: The configurations of the latest trials.
        wholes: The number of trials of the search that came to their end.
        patience: The number of such trials after which the space is discovered anew if it does not explain a trial.
    """

    configs: Sequence[dict[str, Action]] = ()
    wholes: int = 0
    patience: int = 0


@dataclass
class DefineByRunSpace:
    """A space, as far as it is known.

    Attributes:
        name: The name of the space.
        parameters: The parameters that were taken up, with all actions that they could take.
        domains: The domain with which each parameter was asked for last.
        unforeseen: Parameters that were not taken up yet.
        evidence: The trials from which conditions are discovered.
    """

    name: str
    parameters: Parameters = field(default_factory=Parameters)
    domains: dict[str, Domain] = field(default_factory=dict)
    unforeseen: UnforeseenParameters = field(default_factory=UnforeseenParameters)
    evidence: Evidence = Evidence()
    _taken_up: dict[str, Domain] = field(default_factory=dict)  # the latest domain of each parameter

    def copy(self) -> "DefineByRunSpace":
        """Returns a copy that changes independently."""
        return replace(
            self,
            parameters=copy.copy(self.parameters),
            domains=dict(self.domains),
            unforeseen=self.unforeseen.copy(),
            _taken_up=dict(self._taken_up),
        )

    @classmethod
    def of(cls, space: SearchSpace, evidence: Evidence) -> "DefineByRunSpace":
        """Returns a space that was known before, without the domains of its parameters."""
        found = cls(space.name, evidence=evidence)
        found.parameters.take({choice.name: choice.actions for choice in space.choices})
        return found

    def grow(self, domains: Mapping[str, Domain]) -> None:
        """Takes up new parameters and actions, in this order.

        Raises:
            ValueError: A name or a value cannot be part of a space.
        """
        if all(self._taken_up.get(n) is d for n, d in domains.items()):
            return
        for name, domain in domains.items():
            if name not in self.parameters.actions:
                Choice(name, domain.actions)  # an error comes before anything is taken up
        parameters = copy.copy(self.parameters)
        grown = parameters.take({name: domain.actions for name, domain in domains.items()})
        if parameters.take(self.unforeseen.take_waiting()) or grown:
            self.parameters = parameters
        for name, domain in domains.items():
            self.domains.setdefault(name, domain)
        self._taken_up.update(domains)

    @property
    def has_unmet(self) -> bool:
        """Whether the evidence has no trial with some parameter, though there is evidence."""
        configs = self.evidence.configs
        return bool(configs) and not self.parameters.actions.keys() <= set().union(*configs)

    def discovered(self, stopped: Sequence[Config] = ()) -> SearchSpace:
        """Returns the space with the conditions that explain the evidence.

        Args:
            stopped: The configurations of trials that may not have come to their end, see `discover`.
        """
        return discover(self.name, self.parameters.actions, self.evidence.configs, stopped)

    def add_evidence(self, configs: Sequence[dict[str, Action]], counted: bool = True) -> None:
        """Takes up trials that came to their end: they tell when a parameter is asked for.

        Args:
            configs: The configurations of the trials.
            counted: Whether the trials are of this search, and bring the next discovery nearer.
        """
        its, wholes = [*self.evidence.configs, *configs][-EVIDENCE:], len(configs) if counted else 0
        self.evidence = self.evidence._replace(configs=its, wholes=self.evidence.wholes + wholes)

    @property
    def is_due(self) -> bool:
        """Whether the space is to be discovered anew if it does not explain a trial."""
        return self.evidence.wholes >= self.evidence.patience

    def discovered_for(self, explained: bool) -> None:
        """Takes note that the space was discovered anew for a trial.

        A trial without an explanation makes the next discovery come later, because each discovery takes long.

        Args:
            explained: Whether the space explains the trial by now.
        """
        wholes = self.evidence.wholes
        self.evidence = self.evidence._replace(patience=wholes + (0 if explained else wholes // 4))

    def is_unforeseen(self, params: Params, name: str, source: SourceAgent | None) -> bool:
        """Returns whether a parameter is new in a search of many, and the source does not know the others of its trial.

        If the source knows them, they are expected from now on.

        Args:
            params: The parameters of the trial so far.
            name: The name of the next parameter.
            source: The agent that the search starts from; None without one, and after the first reward.
        """
        known = self.parameters.actions
        if name in known or len(known) < WIDE:
            return False
        if source is None:
            return True
        return not self.unforeseen.expect({*params, name}, known, source.agent.problems, self.name, source.rename)

    def forget_expected(self, params: Params) -> set[str]:
        """Forgets the parameters that the first finished trial was expected to have, but lacks; returns their names."""
        missing = self.unforeseen.expected - params.keys()
        self.unforeseen.expected.clear()
        if missing:
            self.parameters = self.parameters.without(missing)
        return missing

    def allowed(self, params: Params, name: str, domain: Domain, tables: Tables) -> Bool[np.ndarray, "choices options"]:
        """Returns the actions that each choice may take, Shape `[choices, options]`, in the order of the space.

        Args:
            params: The parameters of the trial so far. Each may take the action that it took.
            name: The name of the next parameter.
            domain: The domain of the next parameter. Others have the domain with which they were asked for last.
            tables: The tables of the space.
        """
        allowed = np.ones((tables.rules.decision.shape[1], tables.decisions.actions.shape[1]), bool)
        for index, known in enumerate(self.parameters.actions, start=1):
            if known in params:
                its, value = params[known]
                may: tuple[Action, ...] = (its.action(value),)  # type: ignore[arg-type]
            elif known == name or known in self.domains:
                may = (domain if known == name else self.domains[known]).actions
            else:
                continue
            allowed[index] = False
            allowed[index, [self.parameters.position(known, action) or 0 for action in may]] = True
        return allowed

    def middle(
        self, params: Params, name: str, domain: Domain, allowed: Bool[np.ndarray, "choices options"]
    ) -> Bool[np.ndarray, "choices options"]:
        """Returns the allowed actions, of ranges that the trial did not ask for yet only those in the middle.

        Args:
            params: The parameters of the trial so far.
            name: The name of the next parameter.
            domain: The domain of the next parameter.
            allowed: See `allowed`.
        """
        found = allowed.copy()
        for index, known in enumerate(self.parameters.actions, start=1):
            its = domain if known == name else self.domains.get(known)
            if known not in params and isinstance(its, NumericDomain):
                found[index] = False
                found[index, self.parameters.position(known, its.actions[middle_bin(its)]) or 0] = True
        return found

    def to_json(self) -> Json:
        """Returns the evidence as JSON."""
        return {"evidence": list(self.evidence.configs), "discovery": [self.evidence.wholes, self.evidence.patience]}

    @classmethod
    def from_json(cls, value: Json, encoding: Encoding) -> "DefineByRunSpace":
        """Returns the space that `to_json` described, without the domains of its parameters.

        Args:
            value: The JSON.
            encoding: The encoding of the space.

        Raises:
            LookupError, TypeError, ValueError: The JSON does not fit the encoding.
        """
        [problem] = encoding.problems
        configs = [*map(dict, value["evidence"])]
        wholes, patience = map(operator.index, value["discovery"])
        for config in configs:
            encoding.sequence(0, config)
        return cls.of(problem.space, Evidence(configs, wholes, patience))


def recent_configs(learner: Learner, row: int) -> list[dict[str, Action]]:
    """Returns the configurations of the latest trials of a problem, at most `EVIDENCE`."""
    replay = learner.replay
    return learner.encoding.configs(row, replay.trials.at((0, replay.of(0, row)[-EVIDENCE:])))
