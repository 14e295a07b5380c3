"""A search of a space that nobody declared: its forks and copies, which go on by themselves."""

import copy
import json
import pickle

import pytest

from transfernas.define_by_run.plans import Made, Observed, Old
from transfernas.define_by_run.search import OpenSearch
from transfernas.learning.scores import Score
from transfernas.spaces.domain import Categories, Domain, Numbers

KIND, RATE, DEPTH = Categories(("a", "b")), Numbers(1e-4, 1.0, log=True), Numbers(1, 9, integer=True)


def made_by(search: OpenSearch, number: int) -> Made:
    """A trial, with a rate where its kind is "a" and a depth where it is "b"."""
    made: dict[str, tuple[Domain, object]] = {}
    made["kind"] = KIND, search.suggest(number, made, "kind", KIND)
    name, domain = ("rate", RATE) if made["kind"][1] == "a" else ("depth", DEPTH)
    made[name] = domain, search.suggest(number, made, name, domain)
    return made


def reward_of(made: Made) -> float | None:
    _, value = list(made.values())[-1]
    return None if value == 3 else -float(value)  # type: ignore[arg-type]


def searched(search: OpenSearch, numbers: range) -> list[dict[str, object]]:
    """Searches on, and returns what the trials took."""
    found = []
    for number in numbers:
        made = made_by(search, number)
        search.tell(number, made, reward_of(made))
        found.append({name: value for name, (_, value) in made.items()})
    return found


def said(search: OpenSearch) -> tuple[str, object]:
    return json.dumps(search.state()), search.learner


@pytest.mark.thorough
def test_what_a_fork_is_told_changes_nothing_in_the_search() -> None:
    search = OpenSearch("space", "task", seed=0)
    searched(search, range(12))
    before = made_by(search, 12)
    made: Made = {"kind": (KIND, "a"), "new": (DEPTH, 4)}
    at_first, fork = said(search), search.forked()
    fork.evaluated_elsewhere({99: Observed.of(before)})
    fork.tell(12, before, 1.0)
    fork.tell(13, made, None)
    fork.recall(made, 0.5, True)
    fork.tell_many([Old(made, Observed.of(made, Score.of(2.0)), True)], 1)
    fork.suggest(14, {}, "kind", Categories(("a", "b", "c")))
    fork.reseed(5)
    assert said(search)[0] == at_first[0] and said(search)[1] is at_first[1]
    assert said(fork)[0] != at_first[0]
    assert searched(search, range(15, 20)) == searched(copied(search_of(before)), range(15, 20))


def search_of(before: Made) -> OpenSearch:
    """The same search as above, of which no fork was made."""
    search = OpenSearch("space", "task", seed=0)
    searched(search, range(12))
    assert made_by(search, 12) == before
    return search


def copied(search: OpenSearch) -> OpenSearch:
    return copy.deepcopy(pickle.loads(pickle.dumps(search)))
