"""A search whose parameters are all known beforehand, trial by trial; saved at any time, it goes on as it would have.

Its file is an agent's, with notes in the header: the parameters, the trials that are open, what the search remembers.
"""

import uuid
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from ..agent import Agent
from ..checkpoint import CheckpointError, Snapshot, read_snapshot, write_snapshot
from ..ledger import Ledger
from ..open_search import OpenSearch
from ..plans import Made
from ..spaces.condition import plain
from ..spaces.domain import Categories, Domain, Numbers
from ..spaces.schema import Json

Domains = Mapping[str, Domain]
"""The parameters of a space by their names, in the order in which they are decided."""

_UNREADABLE = (LookupError, TypeError, ValueError, AttributeError, ArithmeticError, RecursionError)

Values = dict[str, object]
"""What parameters are, by their names."""


class FixedSearch:
    """Asks and tells of one problem. No threads may share it; the caller holds a lock."""

    def __init__(self, search: OpenSearch, domains: Domains, points: Sequence[Values] = ()) -> None:
        """Begins a search.

        Args:
            search: of the problem, fresh.
            domains: its parameters.
            points: what to try first; what they leave out is chosen by the search.

        Raises:
            ValueError: a name or a value can not be part of a space.
        """
        self._search, self.domains, self._points = search, domains, list(points)
        self._open: dict[str, Made] = {}
        search.declare(domains)

    @property
    def agent(self) -> Agent:
        """The agent that knows what this search does."""
        agent = self._search.agent()
        assert agent is not None  # since the parameters were declared
        return agent

    def suggest(self, trial: str) -> Values:
        """Returns the parameters of a trial, the same for as long as it is open."""
        if trial not in self._open:
            point = self._points[0] if self._points else {}
            made: dict[str, tuple[Domain, object]] = {}
            for name, domain in self.domains.items():
                value = point[name] if name in point else self._search.suggest(trial, made, name, domain)
                made[name] = domain, value
            self._open[trial], self._points = made, self._points[1:]
        return _values(self._open[trial])

    def tell(self, trial: str, reward: float | None) -> bool:
        """Takes the reward of a trial, see `OpenSearch.tell`; returns whether the trial was open."""
        made = self._open.pop(trial, None)
        if made is not None:
            self._search.tell(trial, made, reward)
        return made is not None

    def learn_from(self, values: Values, reward: float | None) -> None:
        """Takes the reward of values that were evaluated elsewhere.

        Raises:
            ValueError: a parameter is missing.
        """
        if missing := [name for name in self.domains if name not in values]:
            raise ValueError(f"the evaluated point {values} lacks {', '.join(map(repr, missing))}")
        self._search.tell(None, self._made(values), reward)

    def save(self, path: Path, ledger: Ledger, notes: Mapping[str, Json]) -> None:
        """Writes all that is needed to go on to one file, whole or not at all.

        Args:
            path: of the file.
            ledger: of its agent.
            notes: what the caller wants to know again.
        """
        opened = {trial: values_to_json(_values(made), self.domains) for trial, made in self._open.items()}
        points = [values_to_json(point, self.domains) for point in self._points]
        kept = {"open": opened, "points": points, "search": self._search.state()}
        kept |= {"domains": domains_to_json(self.domains), **notes}
        write_snapshot(path, Snapshot(self.agent.learner, uuid.uuid4().hex, 0, (), (), ledger, kept))

    def restore(self, saved: "SavedSearch") -> None:
        """Goes on as the search would have that was saved; this one has its parameters.

        Raises:
            CheckpointError: what was saved can not be read.
        """
        snapshot, notes = saved
        try:
            self._points = [values_from_json(point, self.domains) for point in notes["points"]]
            opened = {trial: values_from_json(values, self.domains) for trial, values in notes["open"].items()}
            self._open = {trial: self._made(values) for trial, values in opened.items()}
            self._search.restore(snapshot.learner, notes["search"])
            self._search.declare(self.domains)
            self._search.check(self.domains)
        except _UNREADABLE as error:
            raise CheckpointError(f"the notes of the saved search can not be read: {error!r}") from None

    def _made(self, values: Values) -> Made:
        return {name: (domain, values[name]) for name, domain in self.domains.items()}


class SavedSearch(NamedTuple):
    """What the file of a search holds: the agent's part, and the notes."""

    snapshot: Snapshot
    notes: dict[str, Json]


def read_search(path: Path) -> SavedSearch:
    """Reads the file of a search.

    Raises:
        CheckpointError: the file is damaged, or holds an agent alone.
        FileNotFoundError: there is no such file.
    """
    snapshot = read_snapshot(path)
    if not isinstance(snapshot.notes, dict) or "search" not in snapshot.notes:
        raise CheckpointError(f"{path} holds an agent, but no search; start from it, as in agent={str(path)!r}")
    try:
        for each in snapshot.notes["domains"].values():
            _domain(each)
    except _UNREADABLE as error:
        raise CheckpointError(f"{path} is damaged: its notes can not be read: field domains: {error!r}") from None
    return SavedSearch(snapshot, snapshot.notes)


def checked(name: str, domain: Domain, value: object) -> object:
    """Returns a value as one of those that a parameter may have.

    Raises:
        ValueError: it is none of them; the message names the parameter.
    """
    if isinstance(domain, Categories):
        try:
            return domain.values[domain.position(value)]
        except ValueError as error:
            raise ValueError(f"parameter {name!r}: {error}") from None
    try:
        number = plain(value)
    except (TypeError, ValueError):
        number = None
    if isinstance(number, (int, float)) and not isinstance(number, bool) and domain.low <= number <= domain.high:
        return int(number) if domain.integer else float(number)
    raise ValueError(f"parameter {name!r} is a number from {domain.low} to {domain.high}, not {value!r}")


def domains_to_json(domains: Domains) -> Json:
    """Returns parameters as JSON; of values that JSON can not hold only what they are called."""
    found: dict[str, Json] = {}
    for name, domain in domains.items():
        if isinstance(domain, Numbers):
            found[name] = {"range": [domain.low, domain.high, domain.log, domain.step, domain.integer]}
        else:
            pairs = zip(domain.values, domain.actions, strict=True)
            whole = all(type(value) is type(action) and value == action for value, action in pairs)
            found[name] = {"actions": list(domain.actions), "whole": whole}
    return found


def domains_from_json(value: Json) -> Domains:
    """Returns the parameters that `domains_to_json` described.

    Raises:
        ValueError: it does not hold all values.
        LookupError, TypeError: it describes none.
    """
    found: dict[str, Domain] = {}
    for name, each in value.items():
        if "actions" in each and not each["whole"]:
            raise ValueError(
                f"a file can not hold the values of parameter {name!r}, {each['actions']}; give the space again before "
                f"restoring"
            )
        found[name] = _domain(each)
    return found


def values_to_json(values: Values, domains: Domains) -> Json:
    """Returns values of parameters as JSON, those without order by their positions."""
    pairs = ((name, domains[name], value) for name, value in values.items())
    return {name: d.position(value) if isinstance(d, Categories) else value for name, d, value in pairs}


def values_from_json(values: Json, domains: Domains) -> Values:
    """Returns the values that `values_to_json` described.

    Raises:
        LookupError, TypeError, ValueError: it describes none.
    """
    pairs = ((name, domains[name], value) for name, value in values.items())
    return {name: _at(d, value) if isinstance(d, Categories) else checked(name, d, value) for name, d, value in pairs}


def _domain(value: Json) -> Domain:
    return Numbers(*value["range"]) if "range" in value else Categories(value["actions"])


def _at(domain: Categories, position: Json) -> object:
    if type(position) is not int or position < 0:
        raise ValueError(f"{position!r} is no position of a value")
    return domain.values[position]


def _values(made: Made) -> Values:
    return {name: value for name, (_, value) in made.items()}
