"""A search of a space that nobody declared: its forks and copies, which go on by themselves."""

import copy
import json
import pickle

import pytest

from transfernas.define_by_run.plans import ExternalTrial, ObservedTrial, Params
from transfernas.define_by_run.search import DefineByRunSearch
from transfernas.learning.scores import Score
from transfernas.spaces.domain import CategoricalDomain, Domain, NumericDomain

KIND, RATE, DEPTH = CategoricalDomain(("a", "b")), NumericDomain(1e-4, 1.0, log=True), NumericDomain(1, 9, integer=True)


def made_by(search: DefineByRunSearch, number: int) -> Params:
    """A trial, with a rate where its kind is "a" and a depth where it is "b"."""
    params: dict[str, tuple[Domain, object]] = {}
    params["kind"] = KIND, search.suggest(number, params, "kind", KIND)
    name, domain = ("rate", RATE) if params["kind"][1] == "a" else ("depth", DEPTH)
    params[name] = domain, search.suggest(number, params, name, domain)
    return params


def reward_of(params: Params) -> float | None:
    _, value = list(params.values())[-1]
    return None if value == 3 else -float(value)  # type: ignore[arg-type]


def searched(search: DefineByRunSearch, numbers: range) -> list[dict[str, object]]:
    """Searches on, and returns what the trials took."""
    found = []
    for number in numbers:
        params = made_by(search, number)
        search.tell(number, params, reward_of(params))
        found.append({name: value for name, (_, value) in params.items()})
    return found


def said(search: DefineByRunSearch) -> tuple[str, object]:
    return json.dumps(search.state()), search.learner.learner


@pytest.mark.thorough
def test_what_a_fork_is_told_changes_nothing_in_the_search() -> None:
    search = DefineByRunSearch("space", "task", seed=0)
    searched(search, range(12))
    before = made_by(search, 12)
    params: Params = {"kind": (KIND, "a"), "new": (DEPTH, 4)}
    at_first, fork = said(search), search.forked()
    fork.evaluated_elsewhere({99: ObservedTrial.of(before)})
    fork.tell(12, before, 1.0)
    fork.tell(13, params, None)
    fork.recall(params, 0.5, True)
    fork.tell_many([ExternalTrial(params, ObservedTrial.of(params, Score.of(2.0)), True)], 1)
    fork.suggest(14, {}, "kind", CategoricalDomain(("a", "b", "c")))
    fork.reseed(5)
    assert said(search)[0] == at_first[0] and said(search)[1] is at_first[1]
    assert said(fork)[0] != at_first[0]
    assert searched(search, range(15, 20)) == searched(copied(search_of(before)), range(15, 20))


def search_of(before: Params) -> DefineByRunSearch:
    """The same search as above, of which no fork was made."""
    search = DefineByRunSearch("space", "task", seed=0)
    searched(search, range(12))
    assert made_by(search, 12) == before
    return search


def copied(search: DefineByRunSearch) -> DefineByRunSearch:
    return copy.deepcopy(pickle.loads(pickle.dumps(search)))


def test_a_fork_goes_on_with_an_open_trial_by_itself() -> None:
    """Its answers change none of those of the search, which would draw other numbers else."""

    def half() -> DefineByRunSearch:
        search = DefineByRunSearch("space", "task", seed=0)
        search.declare({"kind": KIND, "rate": RATE, "depth": DEPTH})
        search.suggest(0, {}, "kind", KIND)
        return search

    search, alone = half(), half()
    for fork in (search.forked(), search.forked().forked()):
        fork.suggest(0, {"kind": (KIND, "a")}, "rate", RATE)
    params: Params = {"kind": (KIND, "a")}
    for name, domain in (("rate", RATE), ("depth", DEPTH)):
        value = alone.suggest(0, params, name, domain)
        assert search.suggest(0, params, name, domain) == value
        params = {**params, name: (domain, value)}
