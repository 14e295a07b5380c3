"""What a search of an open space starts from: an agent, under the names and the values of the search."""

import dataclasses
import functools
from collections.abc import Mapping

from ..agent import Agent
from ..learning.config import TrainingConfig
from ..learning.learner import Learner
from ..learning.portfolio import Portfolios, portfolios
from ..learning.rehearsal import rehearse
from ..learning.transfer import transfer
from ..learning.warm_start import fit_warm_start
from ..spaces.condition import Action, action_key
from ..spaces.domain import Domain
from ..spaces.problem import Problem
from ..spaces.tables import MinShapes
from .evidence import resolve_fill


class SourceAgent:
    """An agent that a search starts from; it stays as it is.

    Attributes:
        agent: the agent.
        rename: from states that the agent knows to parameters that mean the same.
        resumed: whether the search is the agent's own that goes on, so that its numbers and its warm start are there.
    """

    def __init__(
        self,
        agent: Agent,
        names: tuple[str, str],
        size: int,
        rename: Mapping[str, str],
        fill: Mapping[str, Action],
        resumes: bool,
    ) -> None:
        """Takes up the agent.

        Args:
            agent: the agent.
            names: of the space and the task that are searched.
            size: how many configurations are remembered.
            rename: from states that the agent knows to parameters that mean the same.
            fill: what parameters were before they were asked for.
            resumes: whether the search goes on with the agent's own, if that is of this problem alone.
        """
        self.agent, self.rename = agent, dict(rename)
        self.resumed = resumes and [problem.name for problem in agent.problems] == [names]
        self._names, self._size, self._fill = names, size, dict(fill)

    def transferred(
        self, problem: Problem, config: TrainingConfig, seed: int, domains: Mapping[str, Domain], min_shapes: MinShapes
    ) -> Learner:
        """Returns a learner for a problem that nothing was told of yet.

        Args:
            problem: as far as it is known.
            config: hyperparameters.
            seed: of what comes.
            domains: what its parameters can be, as far as is known.
            min_shapes: for what it will grow to.
        """
        rename, fill = self._renamed(), resolve_fill(self._fill, domains)
        return transfer(self._learner, (problem,), config, seed, rename, fill, min_shapes, self._picks)

    def with_warm_start(self, learner: Learner, domains: Mapping[str, Domain]) -> Learner:
        """Returns a learner of this agent's with what fits its problem by now of what was best before."""
        if self.resumed:
            return learner
        entries, fill = (
            [entry.renamed(self._renamed()) for entry in self._learner.archive],
            resolve_fill(self._fill, domains),
        )
        warm_start = fit_warm_start(entries, self._picks, learner.encoding, self._size, fill)
        return dataclasses.replace(learner, warm_start=warm_start)

    def task(self, entry: int) -> str:
        """Returns the task of an earlier problem, by its position in the archive."""
        return self._learner.archive[entry].task

    def number(self, name: str, action: Action) -> float | None:
        """Returns the number that the best of the earlier trials tried for an action of a parameter, if it is known."""
        return None if self.resumed else self._numbers.get((name, *action_key(action)))

    def _renamed(self) -> dict[str, str]:
        """Returns what of `rename` the agent knows."""
        states = self.agent.learner.vocabulary.states
        return {old: new for old, new in self.rename.items() if old in states and new not in states}

    @functools.cached_property
    def _learner(self) -> Learner:
        return rehearse(self.agent.learner)

    @functools.cached_property
    def _picks(self) -> Portfolios:
        return portfolios(self._learner.archive, 1, [self._names], self._size)

    @functools.cached_property
    def _numbers(self) -> dict[tuple[object, ...], float]:
        found: dict[tuple[object, ...], float] = {}
        for pick in self._picks[0][0]:
            entry = self._learner.archive[pick.entry]
            config = entry.config(0, pick.slot)
            for name, number in entry.numbers(0, pick.slot).items():
                found.setdefault((self.rename.get(name, name), *action_key(config[name])), number)
        return found
