"""A search whose parameters are all known beforehand. You can save the search at any time, and go on from its file.

The file is that of an agent, with notes in the header: the parameters, the open trials, and the state of the search.
"""

import contextlib
import math
import uuid
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from ..agent import Agent
from ..checkpoint.processed_trials import ProcessedTrials
from ..checkpoint.snapshot import CheckpointError, Snapshot, read_snapshot, write_snapshot
from ..learning.scores import Score
from ..spaces.domain import CategoricalDomain, Domain, NumericDomain
from ..spaces.schema import Json
from .networks import Values
from .plans import Params
from .search import DefineByRunSearch

Domains = Mapping[str, Domain]
"""The parameters of a space by their names, in the order in which they are decided."""

_UNREADABLE = (LookupError, TypeError, ValueError, AttributeError, ArithmeticError, RecursionError)


class DeclaredSearch:
    """Suggests whole trials, and learns from rewards, for one problem.

    Threads may not share a search; the caller holds a lock.

    Attributes:
        search: The search that proposes each parameter.
        domains: The parameters.

    Example:
        ```python
        domains = {"lr": NumericDomain(1e-4, 1.0, log=True), "kind": CategoricalDomain(("a", "b"))}
        search = DeclaredSearch(DefineByRunSearch("networks", "digits", seed=0), domains)
        values = search.suggest("trial 1")
        search.tell("trial 1", Score.of(-values["lr"]))
        ```
    """

    def __init__(self, search: DefineByRunSearch, domains: Domains, points: Sequence[Values] = ()) -> None:
        """Begins a search.

        Args:
            search: The search, without trials.
            domains: The parameters.
            points: The configurations to try first. The search chooses the parameters that they leave out.

        Raises:
            ValueError: A name or a value cannot be part of a space.
        """
        self.search, self.domains, self._points = search, domains, list(points)
        self._open: dict[str, Params] = {}
        search.declare(domains)

    @property
    def agent(self) -> Agent:
        """The agent that has learned from all trials."""
        agent = self.search.agent()
        assert agent is not None  # since the parameters were declared
        return agent

    def suggest(self, trial: str) -> Values:
        """Returns the parameters of a trial, which stay the same as long as the trial is open.

        Raises:
            RuntimeError, TypeError: The user's key failed, see `TrialNetworks`.
        """
        if trial not in self._open:
            point = self._points[0] if self._points else {}
            params: dict[str, tuple[Domain, object]] = {}
            for name, domain in self.domains.items():
                value = point[name] if name in point else self.search.suggest(trial, params, name, domain)
                params[name] = domain, value
            if self.search.networks is not None:
                self.search.networks.open(trial, _values(params))
            self._open[trial] = params
            del self._points[:1]
        return _values(self._open[trial])

    def tell(self, trial: str, reward: Score | None) -> bool:
        """Learns from a trial, see `DefineByRunSearch.tell`, and returns whether the trial was open."""
        params = self._open.pop(trial, None)
        if params is not None:
            self.search.tell(trial, params, reward)
        return params is not None

    def learn_from(self, values: Values, reward: Score | None) -> None:
        """Learns from a configuration that was evaluated elsewhere.

        Raises:
            ValueError: A parameter is missing.
        """
        if missing := [name for name in self.domains if name not in values]:
            raise ValueError(f"the evaluated point {values} lacks {', '.join(map(repr, missing))}")
        self.search.tell(None, self._to_params(values), reward)

    def save(self, path: Path, processed: ProcessedTrials, notes: Mapping[str, Json]) -> None:
        """Writes the search to one file, whole or not at all.

        Args:
            path: The path of the file.
            processed: The processed trials of the agent.
            notes: Further notes of the caller, which `read_search` returns.
        """
        opened = {trial: values_to_json(_values(params), self.domains) for trial, params in self._open.items()}
        points = [values_to_json(point, self.domains) for point in self._points]
        kept = {"open": opened, "points": points, "search": self.search.state()}
        kept |= {"domains": domains_to_json(self.domains), **notes}
        if self.search.networks is not None:
            kept["evaluated"] = [values_to_json(each, self.domains) for each in self.search.networks.evaluated]
        write_snapshot(path, Snapshot(self.agent.learner, uuid.uuid4().hex, 0, (), (), processed, kept))

    def restore(self, saved: Snapshot) -> None:
        """Continues a search that was saved, and has the same parameters; this search has no trials yet.

        Raises:
            CheckpointError: The notes of the saved search cannot be read.
        """
        notes = saved.notes
        try:
            self._points[:] = [values_from_json(point, self.domains) for point in notes["points"]]
            opened = {trial: values_from_json(values, self.domains) for trial, values in notes["open"].items()}
            self._open.update((trial, self._to_params(values)) for trial, values in opened.items())
            evaluated = [values_from_json(values, self.domains) for values in notes.get("evaluated", ())]
            self.search = self.search.restored(saved.learner, notes["search"], self.domains)
        except _UNREADABLE as error:
            raise CheckpointError(f"the notes of the saved search cannot be read: {error!r}") from None
        if (networks := self.search.networks) is not None:
            for values in evaluated:
                networks.finish(values)
            for trial, params in self._open.items():
                networks.open(trial, _values(params))

    def _to_params(self, values: Values) -> Params:
        return {name: (domain, values[name]) for name, domain in self.domains.items()}


def read_search(path: Path) -> Snapshot:
    """Reads the file of a search, whose notes are a mapping.

    Raises:
        CheckpointError: The file is damaged, or holds no search.
        FileNotFoundError: There is no such file.
    """
    snapshot = read_snapshot(path)
    if not isinstance(snapshot.notes, dict) or "search" not in snapshot.notes:
        raise CheckpointError(f"{path} holds an agent, but no search; start from it, as in agent={str(path)!r}")
    try:
        for each in snapshot.notes["domains"].values():
            _domain_from_json(each)
    except _UNREADABLE as error:
        raise CheckpointError(f"{path} is damaged: its notes cannot be read: field domains: {error!r}") from None
    return snapshot


def checked(name: str, domain: Domain, value: object) -> object:
    """Returns the value of a parameter that equals a given value of any type, such as 3 for `numpy.int64(3)`.

    Raises:
        ValueError: The parameter has no such value; the message names the parameter.
    """
    one = isinstance(value, np.generic) or (isinstance(value, np.ndarray) and value.ndim == 0)
    plainly: object = value.item() if one else value  # type: ignore[attr-defined]
    if isinstance(domain, NumericDomain):
        number = domain.contained(value if isinstance(value, np.generic) else plainly)
        if number is None:
            kind = "whole number" if domain.integer else "number"
            raise ValueError(f"parameter {name!r} is a {kind} from {domain.low} to {domain.high}, not {value!r}")
        return number
    with contextlib.suppress(ValueError):
        return domain.values[domain.position(plainly)]
    try:
        return domain.values[domain.position(value)]  # numpy.float32(0.1) is 0.1, though not as a double
    except ValueError as error:
        raise ValueError(f"parameter {name!r}: {error}") from None


def domains_to_json(domains: Domains) -> Json:
    """Returns parameters as JSON: names alone for those values that JSON cannot hold."""
    found: dict[str, Json] = {}
    for name, domain in domains.items():
        if isinstance(domain, NumericDomain):
            found[name] = {"range": [domain.low, domain.high, domain.log, domain.step, domain.integer]}
            continue
        pairs = zip(domain.values, domain.actions, strict=True)
        whole = all(type(value) is type(action) and value == action for value, action in pairs)
        found[name] = {"actions": list(domain.actions), "whole": whole}
        if not whole:
            with contextlib.suppress(TypeError):
                found[name]["values"] = [_value_to_json(value) for value in domain.values]
    return found


def domains_from_json(value: Json) -> Domains:
    """Returns the parameters that `domains_to_json` described.

    Raises:
        ValueError: The JSON does not hold all values.
        CheckpointError: The JSON describes no parameters.
    """
    try:
        read = {name: _domain_from_json(each) for name, each in value.items()}
        if not read:
            raise ValueError("there are none")
    except (LookupError, TypeError, ValueError, AttributeError) as error:
        raise CheckpointError(f"the parameters of the saved search cannot be read: {error!r}") from None
    found = {name: domain for name, domain in read.items() if domain is not None}
    for name in read:
        if name not in found:
            raise ValueError(
                f"a file cannot hold the values of parameter {name!r}, {value[name]['actions']}; give the space again "
                f"before restoring, as in Tuner.restore(..., param_space=space)"
            )
    return found


def _domain_from_json(value: Json) -> Domain | None:
    """Returns the domain of a parameter; None if the file could not hold all values."""
    if "range" in value:
        low, high, log, step, integer = value["range"]
        if not (type(log) is type(integer) is bool):
            raise TypeError(f"{value} is no range")
        return NumericDomain(low, high, log, step, integer)
    if "values" in value:
        return CategoricalDomain([_value_from_json(each) for each in value["values"]])
    return CategoricalDomain(value["actions"]) if value["whole"] else None


def _value_to_json(value: object) -> Json:
    """Returns a value of a parameter as JSON that tells the types apart.

    Raises:
        TypeError: JSON cannot hold the value.
    """
    if value is None or type(value) in (bool, int, str):
        return value
    if type(value) is float:
        return value if math.isfinite(value) else {"float": repr(value)}
    if type(value) in (list, tuple):
        return {type(value).__name__: [_value_to_json(inner) for inner in value]}  # type: ignore[attr-defined]
    if type(value) is dict and all(type(key) is str for key in value):
        return {"dict": {key: _value_to_json(inner) for key, inner in value.items()}}
    if isinstance(value, np.generic) and type(value.item()) in (bool, int, float, str):
        return {"numpy": [value.dtype.str, _value_to_json(value.item())]}
    raise TypeError(f"JSON cannot hold {value!r}")


def _value_from_json(value: Json) -> object:
    """Returns the value that `_value_to_json` described.

    Raises:
        LookupError, TypeError, ValueError, AttributeError: The JSON describes no value.
    """
    if not isinstance(value, dict):
        return value
    ((kind, held),) = value.items()
    match kind:
        case "float":
            return float(held)
        case "list":
            return [_value_from_json(inner) for inner in held]
        case "tuple":
            return tuple(_value_from_json(inner) for inner in held)
        case "dict":
            return {key: _value_from_json(inner) for key, inner in held.items()}
        case "numpy":
            return np.dtype(held[0]).type(_value_from_json(held[1]))
    raise ValueError(f"{kind!r} is no kind of value")


def values_to_json(values: Values, domains: Domains) -> Json:
    """Returns values of parameters as JSON: categorical values by their positions."""
    pairs = ((name, domains[name], value) for name, value in values.items())
    return {name: d.position(value) if isinstance(d, CategoricalDomain) else value for name, d, value in pairs}


def values_from_json(values: Json, domains: Domains) -> Values:
    """Returns the values that `values_to_json` described.

    Raises:
        LookupError, TypeError, ValueError: The JSON describes no values of these parameters.
    """
    pairs = ((name, domains[name], value) for name, value in values.items())
    return {
        name: _at(d, value) if isinstance(d, CategoricalDomain) else checked(name, d, value) for name, d, value in pairs
    }


def _at(domain: CategoricalDomain, position: Json) -> object:
    if type(position) is not int or position < 0:
        raise ValueError(f"{position!r} is no position of a value")
    return domain.values[position]


def _values(params: Params) -> Values:
    return {name: value for name, (_, value) in params.items()}
