"""The callback of a search for Ray Tune, which adds the proposers of trials to their results."""

from collections.abc import Mapping
from typing import Any, Protocol

from ray.tune import Callback

from ..define_by_run.plans import Proposer

PROPOSER, TRUST = "transfernas/proposer", "transfernas/trust"


class _Search(Protocol):
    @property
    def proposers(self) -> Mapping[str, Proposer]: ...


class ProposerCallback(Callback):
    """Adds the proposer of a trial to its results, as "transfernas/proposer" and "transfernas/trust".

    Both are None for a trial without a proposer. `TransferSearch.callback` makes this callback for
    `tune.RunConfig(callbacks=[...])`.

    Example:
        ```python
        search = TransferSearch({"lr": tune.loguniform(1e-5, 1e-1)}, "loss", "min", seed=0)
        run_config = tune.RunConfig(callbacks=[search.callback()])
        ```
    """

    def __init__(self, search: _Search) -> None:
        """Creates the callback of a search."""
        self._search = search

    def on_trial_result(
        self, iteration: int, trials: list[Any], trial: Any, result: dict[str, Any], **info: Any
    ) -> None:
        """Changes a result before Ray keeps and logs it; Ray calls this."""
        proposer = self._search.proposers.get(trial.trial_id)
        result[PROPOSER], result[TRUST] = (None, None) if proposer is None else proposer
