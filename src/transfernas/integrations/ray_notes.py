"""The notes of a search for Ray Tune in its file."""

import itertools
from collections.abc import Mapping
from typing import Any, Literal, NamedTuple

from ray.tune.result import DEFAULT_METRIC

from ..agent import Agent
from ..checkpoint.snapshot import CheckpointError
from ..define_by_run.plans import Proposer
from ..searcher import check_seed
from ..spaces.schema import Json
from .arguments import check_mode, check_name, check_on_failure


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
