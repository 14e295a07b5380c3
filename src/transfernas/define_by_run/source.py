"""The agent that a search of an undeclared space starts from, under the names and values of the search."""

import dataclasses
import functools
from collections.abc import Mapping, Sequence

from ..agent import Agent
from ..learning.archive import ArchivedProblem
from ..learning.config import TrainingConfig
from ..learning.learner import Learner
from ..learning.portfolio import Portfolios, made_by_all, portfolios
from ..learning.rehearsal import rehearse
from ..learning.transfer import transfer
from ..learning.warm_start import fit_warm_start
from ..spaces.condition import Action, action_key
from ..spaces.domain import Domain, NumericDomain
from ..spaces.problem import Problem
from ..spaces.tables import MinShapes
from .plans import numbers_of


class SourceAgent:
    """An agent that a search starts from, which does not change.

    Attributes:
        agent: The agent.
        rename: From states that the agent knows to parameters that mean the same.
        resumed: Whether the agent's own search is continued, with its numbers and its warm start.
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
        """Takes an agent.

        Args:
            agent: The agent.
            names: The names of the space and the task.
            size: The number of configurations to remember.
            rename: From states that the agent knows to parameters that mean the same.
            fill: The values that new parameters had before they were parameters.
            resumes: Whether the agent's own search is continued, if the agent has no other problem.
        """
        self.agent, self.rename = agent, dict(rename)
        self.resumed = resumes and [problem.name for problem in agent.problems] == [names]
        self._names, self._size, self._fill = names, size, dict(fill)

    def transferred(
        self, problem: Problem, config: TrainingConfig, seed: int, domains: Mapping[str, Domain], min_shapes: MinShapes
    ) -> Learner:
        """Returns a learner for a problem without trials.

        Args:
            problem: The problem, as far as it is known.
            config: The hyperparameters.
            seed: The seed of all random numbers.
            domains: The parameters, as far as they are known.
            min_shapes: The least array sizes, which leave room for growth.
        """
        rename, fill = self._renamed(), resolve_fill(self._fill, domains)
        numbers = numbers_of(fill, {name: self._fill[name] for name in fill})
        ranges, picks = _ranges(domains), self._picks
        return transfer(self._learner, (problem,), config, seed, rename, fill, min_shapes, picks, numbers, ranges)

    def with_warm_start(
        self,
        learner: Learner,
        domains: Mapping[str, Domain],
        left_out: int = 0,
        running: Sequence[Mapping[str, Action]] = (),
    ) -> Learner:
        """Returns a learner of this agent with the best earlier configurations that fit its problem by now.

        Args:
            learner: The learner.
            domains: The parameters, as far as they are known.
            left_out: The number of earlier configurations, from the first, that are left out.
            running: The actions of trials that others evaluate, whose configurations are left out.
        """
        if self.resumed:
            return learner
        entries, fill = self._entries, resolve_fill(self._fill, domains)
        numbers = numbers_of(fill, {name: self._fill[name] for name in fill})
        [[ordered]] = self._picks
        kept = [
            pick
            for pick in ordered[left_out:]
            if not any(entries[pick.entry].config(0, pick.slot).items() <= its.items() for its in running)
        ]
        size = max(0, self._size - (len(ordered) - len(kept)))
        picks, ranges = [[kept if size else ()]], _ranges(domains)
        warm_start = fit_warm_start(entries, picks, learner.encoding, size, fill, numbers, ranges)
        return dataclasses.replace(learner, warm_start=warm_start)

    def unused_fill(self, tries: bool) -> tuple[str, ...]:
        """Returns the names in `fill` of which no earlier configuration gets its value.

        Args:
            tries: Whether earlier configurations are tried first.
        """
        if not (self._fill and tries):
            return tuple(self._fill)
        [[ordered]] = self._picks
        return tuple(name for name in self._fill if made_by_all(name, self._entries, ordered))

    def number(self, name: str, action: Action) -> float | None:
        """Returns the number of the best earlier trial with an action of a parameter; None if there is none."""
        return None if self.resumed else self._numbers.get((name, *action_key(action)))

    def _renamed(self) -> dict[str, str]:
        """Returns the entries of `rename` that the agent knows, without those whose new name stays another state."""
        states = self.agent.learner.vocabulary.states
        found = {old: new for old, new in self.rename.items() if old in states}
        while taken := [old for old, new in found.items() if new in states and new not in found]:
            found = {old: new for old, new in found.items() if old not in taken}
        return found

    @functools.cached_property
    def _learner(self) -> Learner:
        return rehearse(self.agent.learner)

    @functools.cached_property
    def _entries(self) -> list[ArchivedProblem]:
        return [entry.renamed(self._renamed()) for entry in self._learner.archive]

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
                found.setdefault((self._renamed().get(name, name), *action_key(config[name])), number)
        return found


def _ranges(domains: Mapping[str, Domain]) -> dict[str, NumericDomain]:
    return {name: domain for name, domain in domains.items() if isinstance(domain, NumericDomain)}


def resolve_fill(fill: Mapping[str, Action], domains: Mapping[str, Domain]) -> dict[str, Action]:
    """Returns the values of known parameters in `fill`, as actions.

    Raises:
        ValueError: A parameter cannot have its value.

    Example:
        ```python
        assert resolve_fill({"kind": "a", "later": 1}, {"kind": CategoricalDomain(("a", "b"))}) == {"kind": "a"}
        ```
    """
    found: dict[str, Action] = {}
    for name, value in fill.items():
        if (domain := domains.get(name)) is None:
            continue
        try:
            found[name] = domain.action(value)  # type: ignore[arg-type]
            if isinstance(domain, NumericDomain) and not domain.low <= value <= domain.high:  # type: ignore[operator]
                raise ValueError(f"{value!r} is not from {domain.low} to {domain.high}")
        except ValueError as error:
            raise ValueError(f"fill gives {name!r} a value that it cannot have: {error}") from None
    return found
