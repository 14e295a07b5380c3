"""The space of a search that nobody declared: it grows while a program asks, and its conditions are discovered."""

import copy
import operator
from collections.abc import Mapping, Sequence

import numpy as np
from jaxtyping import Bool

from ..spaces.choice import Choice
from ..spaces.condition import Action
from ..spaces.domain import Domain
from ..spaces.encoding import WIDE, Encoding
from ..spaces.schema import Json
from ..spaces.space import SearchSpace
from ..spaces.tables import Tables
from .discovery import Parameters, discover
from .evidence import EVIDENCE
from .plans import Params
from .source import SourceAgent
from .unforeseen import UnforeseenParameters


class DefineByRunSpace:
    """What is known of a space so far.

    Attributes:
        parameters: those that were taken up, with all actions that any of them could take.
        domains: what each of them can be, as it was asked for last.
        unforeseen: parameters that were not taken up yet.
    """

    def __init__(self, name: str) -> None:
        """Begins without parameters.

        Args:
            name: of the space.
        """
        self._name = name
        self.parameters = Parameters()
        self.domains: dict[str, Domain] = {}
        self.unforeseen = UnforeseenParameters()
        self._taken_up: dict[str, Domain] = {}  # what was taken up last of each parameter
        self._built: object = None  # the actions that the search's own space was made of
        self._evidence: list[dict[str, Action]] = []
        self._wholes, self._patience = 0, 0  # after so many whole trials the space is discovered anew, if need be

    def copy(self) -> "DefineByRunSpace":
        """Returns the same space, to go on by itself."""
        space = copy.copy(self)
        space.parameters, space.domains = copy.copy(self.parameters), dict(self.domains)
        space.unforeseen = self.unforeseen.copy()
        return space

    def take(self, space: SearchSpace) -> None:
        """Takes up the choices of a space that was known before."""
        self.parameters.take({choice.name: choice.actions for choice in space.choices})

    def grow(self, domains: Mapping[str, Domain]) -> bool:
        """Takes up parameters and actions that were not there, in this order.

        Returns:
            Whether the search's own space lacks some of what was taken up.

        Raises:
            ValueError: a name or a value cannot be part of a space.
        """
        if self._built is self.parameters.actions and all(self._taken_up.get(n) is d for n, d in domains.items()):
            return False
        for name, domain in domains.items():
            if name not in self.parameters.actions:
                Choice(name, domain.actions)  # what cannot be a choice must not be taken up
        parameters = copy.copy(self.parameters)
        grown = parameters.take({name: domain.actions for name, domain in domains.items()})
        if parameters.take(self.unforeseen.take_waiting()) or grown:
            self.parameters = parameters
        for name, domain in domains.items():
            self.domains.setdefault(name, domain)
        self._taken_up = {**self._taken_up, **domains}
        return self._built is not self.parameters.actions  # also where an interrupt came before it was built

    def discovered(self) -> SearchSpace:
        """Returns the space with the conditions that explain the evidence."""
        return discover(self._name, self.parameters.actions, self._evidence)

    def built(self) -> None:
        """Takes note that the search's own space has all parameters by now."""
        self._built = self.parameters.actions

    def add_evidence(self, configs: Sequence[dict[str, Action]], counted: bool = True) -> None:
        """Takes up trials that came to their end: they tell when a parameter is asked for.

        Args:
            configs: what they took.
            counted: whether they are of this search, and bring the next discovery nearer.
        """
        self._evidence = [*self._evidence, *configs][-EVIDENCE:]
        self._wholes += len(configs) if counted else 0

    def explained_by(self, space: SearchSpace) -> bool:
        """Returns whether a space explains the evidence."""
        return all(space.fits(config) for config in self._evidence)

    @property
    def is_due(self) -> bool:
        """Whether the space is to be discovered anew if it does not explain a trial."""
        return self._wholes >= self._patience

    def discovered_for(self, explained: bool) -> None:
        """Takes note that the space was discovered anew for a trial.

        What nothing explains is tried to be explained the more seldom, for each time takes long.

        Args:
            explained: whether the space explains the trial by now.
        """
        self._patience = self._wholes + (0 if explained else self._wholes // 4)

    def is_unforeseen(self, params: Params, name: str, source: SourceAgent | None) -> bool:
        """Returns whether a parameter is new in a search of many, and nobody knows what comes with it.

        Where the source knows that, its parameters are expected from now on.

        Args:
            params: the parameters of the trial so far.
            name: of the parameter that is asked for next.
            source: what the search starts from; None where it starts from nothing, or was told of a trial.
        """
        known = self.parameters.actions
        if name in known or len(known) < WIDE:
            return False
        if source is None:
            return True
        return not self.unforeseen.expect({*params, name}, known, source.agent.problems, self._name, source.rename)

    def forget_expected(self, params: Params) -> set[str]:
        """Forgets what was expected of the first trial that is told, but not asked for; returns its names."""
        missing, self.unforeseen.expected = self.unforeseen.expected - params.keys(), set()
        if missing:
            self.parameters = self.parameters.without(missing)
        return missing

    def allowed(self, params: Params, name: str, domain: Domain, tables: Tables) -> Bool[np.ndarray, "choices options"]:
        """Returns which actions of each choice may be taken, in the order of the space.

        Args:
            params: the parameters of a trial so far: each has the one action that it took.
            name: of the parameter that is asked for next.
            domain: what that can be; others can be what they could be last.
            tables: of the search's own space.
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

    def to_json(self) -> Json:
        """Returns as JSON what the search's own space does not say."""
        return {"evidence": self._evidence, "discovery": [self._wholes, self._patience]}

    @classmethod
    def from_json(cls, value: Json, encoding: Encoding) -> "DefineByRunSpace":
        """Returns the space that `to_json` described; it is not known what its parameters can be.

        Args:
            value: the JSON.
            encoding: of the search's own space.

        Raises:
            LookupError, TypeError, ValueError: it describes none of such a space.
        """
        [problem] = encoding.problems
        space = cls(problem.space.name)
        space.take(problem.space)
        space.built()
        space._evidence = [*map(dict, value["evidence"])]
        space._wholes, space._patience = (operator.index(count) for count in value["discovery"])
        for config in space._evidence:
            encoding.sequence(0, config)
        return space
