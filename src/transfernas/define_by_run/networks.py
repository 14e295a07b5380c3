"""The networks that the trials of a search build, as a user's key names them: each of them is proposed once."""

import copy
from collections.abc import Callable, Collection, Hashable, Mapping, Set
from typing import Any

from ..spaces.problem import check_network

KeyFn = Callable[[dict[str, Any]], Hashable]
"""From the parameters of a trial, by their names, to a name of the network that they build."""

Values = dict[str, object]
"""The values of parameters, by their names."""

ConfigFn = Callable[[Values], dict[str, Any]]
"""From the values of parameters to the argument of a user's key."""

_MOST_OPEN = 1_000  # of trials that nobody will tell about any more, the oldest are given up


class TrialNetworks:
    """The networks of the trials that are finished, open, or evaluated elsewhere.

    The key is called once for a finished trial, when the next trial is planned. A plan of a search whose space nobody
    declared may lack parameters that its program will ask for, so that the key of a plan may fail although the key is
    right. Such a plan is accepted, and an error of the key is raised once the trial is finished.

    Example:
        ```python
        networks = TrialNetworks(lambda params: tuple(layer for layer in params.values() if layer != "skip"))
        networks.finish({"layer 0": "conv", "layer 1": "skip"})
        assert not networks.is_new({"layer 0": "skip", "layer 1": "conv"}, networks.taken(trial=1))
        ```
    """

    def __init__(self, key: KeyFn, declared: bool = False, as_config: ConfigFn = dict) -> None:
        """Begins without trials.

        Args:
            key: The user's function.
            declared: Whether a plan has all parameters of its trial, so that an error of the key is raised at once.
            as_config: Returns parameters as the key takes them, which may be changed.
        """
        self._key, self._declared, self._as_config = key, declared, as_config
        self._evaluated: dict[Hashable, Values] = {}  # the first trial of each network
        self._finished: list[tuple[Values, bool]] = []  # for which the key was not called yet
        self._open: dict[Hashable, Hashable] = {}
        self._elsewhere: dict[Hashable, tuple[Values, Hashable]] = {}

    def copy(self) -> "TrialNetworks":
        """Returns a copy that changes independently."""
        same = copy.copy(self)
        same._evaluated, same._finished, same._open = dict(self._evaluated), [*self._finished], dict(self._open)
        return same

    @property
    def evaluated(self) -> list[Values]:
        """The parameters of finished trials: of each network at least one."""
        return [*self._evaluated.values(), *(values for values, _ in self._finished)]

    def finish(self, values: Values, whole: bool = True) -> None:
        """Takes up a finished trial.

        Args:
            values: Its parameters.
            whole: Whether it certainly has all of them. If not, an error of the key is not raised.
        """
        self._finished.append((values, whole))

    def open(self, trial: Hashable, values: Values) -> None:
        """Takes note of the parameters that an open trial has, or will have by its plan.

        Raises:
            RuntimeError, TypeError: See `network`.
        """
        network = self.network(values)
        self._open.pop(trial, None)
        while len(self._open) >= _MOST_OPEN:
            self._open.pop(next(iter(self._open)))
        if network is not None:
            self._open[trial] = network

    def close(self, trial: Hashable) -> None:
        """Takes note that a trial is not open any more, or that its parameters are not known."""
        self._open.pop(trial, None)

    def evaluated_elsewhere(self, trials: Mapping[Hashable, Values]) -> None:
        """Takes note of the parameters of all trials that others evaluate at this time."""
        known = self._elsewhere
        self._elsewhere = {
            trial: known[trial] if trial in known and known[trial][0] == values else (values, self._attempt(values))
            for trial, values in trials.items()
        }

    def taken(self, trial: Hashable) -> Set[Hashable]:
        """Returns the networks of all trials but one, which are not to be proposed for that one.

        Raises:
            RuntimeError, TypeError: The key fails for a finished trial, see `network`.
        """
        called = 0
        try:
            for values, whole in self._finished:
                network = self._call(values) if whole else self._attempt(values)
                if network is not None:
                    self._evaluated.setdefault(network, values)
                called += 1
        finally:
            del self._finished[:called]
        others = {known: network for known, (_, network) in self._elsewhere.items()} | self._open
        return self._evaluated.keys() | {network for known, network in others.items() if known != trial} - {None}

    def is_new(self, values: Values, taken: Collection[Hashable]) -> bool:
        """Returns whether a plan's parameters build none of some networks, as far as the key can say.

        Raises:
            RuntimeError, TypeError: See `network`.
        """
        network = self.network(values)
        return network is None or network not in taken

    def network(self, values: Values) -> Hashable:
        """Returns the network of a plan; None if the key fails, and the plan may lack parameters.

        Raises:
            RuntimeError: The key raised an error, and the plan has all parameters.
            TypeError: The key returned no hashable value, and the plan has all parameters.
        """
        return self._call(values) if self._declared else self._attempt(values)

    def _attempt(self, values: Values) -> Hashable:
        try:
            return self._call(values)
        except (RuntimeError, TypeError):
            return None

    def _call(self, values: Values) -> Hashable:
        name = f"the function key ({getattr(self._key, '__qualname__', None) or repr(self._key)})"
        try:
            network = self._key(self._as_config(values))
        except Exception as error:  # a user's function may raise anything
            raise RuntimeError(f"{name} raised {error!r} for the parameters {self._as_config(values)}") from error
        return check_network(network, f"{name}, called for the parameters {self._as_config(values)},")
