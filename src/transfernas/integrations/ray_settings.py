"""The settings of a search for Ray Tune that no file holds, and the progress of the search that follows from them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from ..agent import Agent
from ..checkpoint.processed_trials import ProcessedTrials
from ..define_by_run.declared import DeclaredSearch, Domains
from ..define_by_run.networks import KeyFn, TrialNetworks
from ..define_by_run.search import DefineByRunSearch
from ..learning.config import TrainingConfig
from ..spaces.condition import Action
from .ray_notes import SearchNotes
from .ray_spaces import check_names, fill_in, nested, values_in


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
