"""The settings of a search for Ray Tune that no file holds, its notes in the file, and its progress."""

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal, NamedTuple

from ray.tune.result import DEFAULT_METRIC

from ..agent import Agent
from ..checkpoint.processed_trials import ProcessedTrials
from ..checkpoint.snapshot import CheckpointError
from ..define_by_run.declared import DeclaredSearch, Domains
from ..define_by_run.networks import KeyFn, TrialNetworks
from ..define_by_run.plans import Proposer
from ..define_by_run.search import DefineByRunSearch
from ..learning.config import TrainingConfig
from ..searcher import check_seed
from ..spaces.condition import Action
from ..spaces.schema import Json
from .arguments import check_mode, check_name, check_on_failure
from .ray_spaces import check_names, fill_in, nested, values_in


class SearchNotes(NamedTuple):
    """The notes of a search.

    Attributes:
        names: The names of the space and the task.
        metric: The name of the result that counts; None if Ray has not set it yet.
        mode: "min" or "max"; None if Ray has not set it yet.
        seed: The seed of all random numbers.
        on_failure: See `TransferSearch`.
        counted: The trials that were learned from.
        proposers: The proposers of the trials.
    """

    names: tuple[str, str]
    metric: str | None
    mode: str | None
    seed: int
    on_failure: Literal["ignore", "worst"]
    counted: frozenset[str]
    proposers: Mapping[str, Proposer]

    def with_metric(self, metric: str | None, mode: str | None) -> "SearchNotes":
        """Returns the notes with a result that counts, and its direction; None for one that is not known yet.

        Raises:
            ValueError: The metric is no string, or the mode neither "min" nor "max".
        """
        for argument, given in (("metric", metric), ("mode", mode)):
            if not isinstance(given, (str, type(None))):
                raise ValueError(f"TransferSearch searches for one result, so {argument} is a string, not {given!r}")
        check_mode(mode)
        metric, mode = metric or self.metric, mode or self.mode
        # Ray has a name for a result without a name.
        return self._replace(metric=DEFAULT_METRIC if mode and not metric else metric, mode=mode)

    def with_proposer(self, trial: str, proposer: Proposer | None) -> "SearchNotes":
        """Returns the notes with the proposer of a trial, unless it is known already, or there is none."""
        if proposer is None or trial in self.proposers:
            return self
        return self._replace(proposers={**self.proposers, trial: proposer})

    def to_json(self) -> dict[str, Json]:
        """Returns the notes as JSON."""
        return self._asdict() | {"counted": sorted(self.counted)}

    @classmethod
    def of(cls, notes: Mapping[str, Any]) -> "SearchNotes":
        """Returns the notes of a file.

        Raises:
            CheckpointError: A note is missing, or of the wrong kind.
        """
        try:
            (space, task), counted = notes["names"], frozenset(notes["counted"])
            proposers = {trial: _proposer(*each) for trial, each in notes["proposers"].items()}
            for name in (space, task, *counted):
                check_name("a space, a task and a trial is", name)
            check_name("the metric is", notes["metric"], optional=True)
            check_mode(notes["mode"])
            check_on_failure(notes["on_failure"])
            seed = check_seed(notes["seed"])
            return cls((space, task), notes["metric"], notes["mode"], seed, notes["on_failure"], counted, proposers)
        except (AttributeError, LookupError, TypeError, ValueError) as error:
            raise CheckpointError(f"the notes of the saved search cannot be read: {error}") from None


@dataclass(frozen=True)
class SearchSettings:
    """The arguments of `TransferSearch` that concern its start.

    Attributes:
        source: The agent to start from; None for an agent that knows nothing.
        rename: See `TransferSearch`.
        fill: See `TransferSearch`.
        points: The configurations to try first, nested or by paths.
        key: See `TransferSearch`.
        resumes: Whether the agent's own search is continued, if it has the same names.
    """

    source: Agent | None
    rename: Mapping[str, str]
    fill: Mapping[str, Action]
    points: Sequence[Mapping[str, Any]]
    key: KeyFn | None
    resumes: bool

    def new_search(
        self, domains: Domains, names: tuple[str, str], config: TrainingConfig | None, seed: int
    ) -> DeclaredSearch:
        """Returns a search without trials.

        Args:
            domains: The parameters.
            names: The names of the space and the task.
            config: The hyperparameters; None for those of the agent.
            seed: The seed of all random numbers.

        Raises:
            ValueError: A setting names no parameter, or has a value outside of the domain of its parameter.
        """
        for point in self.points:
            check_names(point, domains)
        points = [values_in(point, domains) for point in self.points]
        fill = fill_in(self.fill, self.rename, domains)
        networks = None if self.key is None else TrialNetworks(self.key, declared=True, as_config=nested)
        search = DefineByRunSearch(
            *names, config, seed, self.source, self.rename, fill, resumes=self.resumes, networks=networks
        )
        return DeclaredSearch(search, domains, points)


@dataclass(frozen=True)
class RayProgress:
    """The progress of a search, which is replaced as a whole, so that an interrupt leaves no change half done.

    Attributes:
        notes: The notes of the search.
        config: The hyperparameters; None for those of the agent.
        processed: The processed trials of the agent.
        search: The search; None before there is a space.
        said: Whether the log has the line about the agent.
        lost: The error because of which the search was not restored; None without one.
    """

    notes: SearchNotes
    config: TrainingConfig | None
    processed: ProcessedTrials
    search: DeclaredSearch | None = None
    said: bool = False
    lost: Exception | None = None

    def begun(self, settings: SearchSettings, domains: Domains) -> "RayProgress":
        """Returns the progress with the search of a space, see `SearchSettings.new_search`."""
        search = settings.new_search(domains, self.notes.names, self.config, self.notes.seed)
        return replace(self, search=search)


def new_task(source: Agent | None) -> str:
    """Returns a name of a task that an agent does not know."""
    known = () if source is None else source.learner.vocabulary.tasks
    return next(name for number in itertools.count(1) if (name := f"search {number}") not in known)


def _proposer(name: Json, trust: Json) -> Proposer:
    """Returns a proposer that was saved.

    Raises:
        TypeError, ValueError: The name is no non-empty string, or the trust no probability.
    """
    check_name("a proposer is", name)
    if trust is not None and not (type(trust) in (int, float) and 0.0 <= trust <= 1.0):
        raise ValueError(f"the trust in a proposer is a probability, not {trust!r}")
    return Proposer(name, trust)
