"""What a search of Ray Tune's remembers in its file, beside the search itself."""

from collections.abc import Mapping
from typing import Any, Literal, NamedTuple

from ..checkpoint.snapshot import CheckpointError
from ..searcher import check_seed
from ..spaces.schema import Json
from .arguments import check_mode, check_name, check_on_failure


class SearchNotes(NamedTuple):
    """The notes of a search.

    Attributes:
        names: of its space and its task.
        metric: the name of the result that counts; None where Ray did not say it yet.
        mode: whether that is to be small or large.
        seed: of everything random.
        on_failure: see `TransferSearch`.
        counted: the trials that were learned from.
    """

    names: tuple[str, str]
    metric: str | None
    mode: str | None
    seed: int
    on_failure: Literal["ignore", "worst"]
    counted: frozenset[str]

    def to_json(self) -> dict[str, Json]:
        """Returns the notes as JSON."""
        return self._asdict() | {"counted": sorted(self.counted)}

    @classmethod
    def of(cls, notes: Mapping[str, Any]) -> "SearchNotes":
        """Returns the notes of a file.

        Raises:
            CheckpointError: they lack something, or one of them is not what it should be.
        """
        try:
            (space, task), counted = notes["names"], frozenset(notes["counted"])
            for name in (space, task, *counted):
                check_name("a space, a task and a trial is", name)
            check_name("the metric is", notes["metric"], optional=True)
            check_mode(notes["mode"])
            check_on_failure(notes["on_failure"])
            seed = check_seed(notes["seed"])
            return cls((space, task), notes["metric"], notes["mode"], seed, notes["on_failure"], counted)
        except (LookupError, TypeError, ValueError) as error:
            raise CheckpointError(f"the notes of the saved search cannot be read: {error}") from None
