"""The candidates of the Gaussian process once a search has stalled: those of a category that was hardly tried."""

import math

import numpy as np
import optuna
import pytest
from hypothesis import given
from hypothesis import strategies as st

from transfernas import Agent, Choice, In, Problem, Range, SearchSpace, SurrogateConfig
from transfernas.define_by_run.plans import ObservedTrial
from transfernas.define_by_run.surrogate_proposer import SurrogateProposer
from transfernas.integrations.optuna import TransferSampler
from transfernas.learning.bandit import SURROGATE
from transfernas.learning.choice_points import ChoicePoints
from transfernas.learning.improvement import (
    STALLED,
    WithCategory,
    WithoutCategories,
    best_candidates,
    disappointing,
    least_tried,
    parts_to_search,
)
from transfernas.learning.scores import Score
from transfernas.learning.surrogate import Surrogate

KINDS = ("tree", "forest", "net")
SPACE = SearchSpace(
    "model",
    [
        Choice("kind", KINDS),
        Choice("depth", tuple(range(1, 9)), when=In("kind", ("tree", "forest"))),
        Choice("rate", (0.1, 0.2, 0.3)),
        Choice("name", tuple(f"n{at}" for at in range(11))),
    ],
)

NONE = np.zeros((0, 4))


def trials(kinds: list[int]) -> np.ndarray:
    """Points with these kinds, of which a net has no depth."""
    points = np.zeros((len(kinds), 4))
    points[:, 0] = kinds
    points[:, 1] = np.where(np.array(kinds) == 2, np.nan, 0.5)
    return points


@given(kinds=st.lists(st.integers(0, 2), min_size=1, max_size=60))
def test_candidates_have_the_category_that_lacks_most_trials(kinds: list[int]) -> None:
    space, rng = ChoicePoints(SPACE), np.random.default_rng(0)
    part, counts = least_tried(space, trials(kinds), NONE)[0], [kinds.count(at) for at in range(3)]
    if min(counts) >= 2 * math.log2(len(kinds)):
        assert part is space
        return
    for points in (part.anywhere(16, rng), part.near(trials([0, 1, 2]), rng)):
        assert (points[:, 0] == counts.index(min(counts))).all()
        assert (np.isnan(points[:, 1]) == (points[:, 0] == 2)).all()  # the conditions hold


def test_trials_without_a_score_count_and_a_part_comes_after_the_other() -> None:
    space, rng, scored = ChoicePoints(SPACE), np.random.default_rng(0), trials([0] * 30 + [1])
    kinds = [part.anywhere(8, rng)[:, 0] for part in least_tried(space, scored, NONE)]
    assert [set(its) for its in kinds[:2]] == [{2.0}, {1.0}] and len(set(kinds[2])) > 1
    kinds = [part.anywhere(8, rng)[:, 0] for part in least_tried(space, scored, trials([2] * 12))]
    assert set(kinds[0]) == {1.0} and len(set(kinds[1])) > 1


def test_numbers_and_many_categories_are_left_alone() -> None:
    space = ChoicePoints(SearchSpace("s", [*SPACE.choices[2:], Choice("one", ("a",))]))
    assert least_tried(space, np.zeros((30, 3)), NONE[:, :3]) == [space]


def test_a_parameter_that_no_trial_was_asked_for_is_left_alone() -> None:
    space = ChoicePoints(SearchSpace("s", [Choice("on", (1, 2, 3)), Choice("kind", KINDS, when=In("on", (2,)))]))
    assert least_tried(space, np.array([[0.0, np.nan]] * 30), NONE[:, :2]) == [space]


def test_a_category_of_another_branch_than_that_of_the_best_trial_is_left_alone() -> None:
    split = Choice("split", ("gini", "entropy"), when=In("kind", ("tree",)))
    space, rng = ChoicePoints(SearchSpace("s", [Choice("kind", KINDS), split])), np.random.default_rng(0)
    points = np.array([[1.0, np.nan]] * 20 + [[0.0, 0.0], [2.0, np.nan], [2.0, np.nan]])
    part = least_tried(space, points, NONE[:, :2])[0]  # the best is a forest; "entropy" had no trial, a tree one
    assert (part.anywhere(16, rng)[:, 0] == 0.0).all()
    trees = np.array([[0.0, 0.0]] * 20 + [[1.0, np.nan], [2.0, np.nan]] * 9)
    part = least_tried(space, trees, NONE[:, :2])[0]  # the best is a tree
    assert (part.near(points, rng)[:, 1] == 1.0).all() and len(part.near(points, rng)) < len(points)


def test_nothing_is_proposed_where_no_candidate_can_have_the_category() -> None:
    space, rng = ChoicePoints(SPACE), np.random.default_rng(0)
    surrogate = Surrogate.fitted(trials([2, 2]), np.array([0.0, 1.0]), space.numeric)
    absent = WithCategory(WithCategory(space, 0, 2), 1, 0)  # a net has no depth
    assert best_candidates(surrogate, absent, trials([2, 2]), np.zeros((0, 4)), rng).shape == (0, 4)


@given(kinds=st.lists(st.integers(0, 2), min_size=1, max_size=60))
def test_a_category_disappoints_after_four_trials_that_were_worse_than_the_median(kinds: list[int]) -> None:
    space, losses = ChoicePoints(SPACE), np.arange(float(len(kinds)))
    found = disappointing(space, trials(kinds), losses)
    worse = [
        [loss > np.median(losses) for kind, loss in zip(kinds, losses, strict=True) if kind == at] for at in (0, 1, 2)
    ]
    assert found.get(0, np.array([])).tolist() == [at for at in (0, 1, 2) if len(worse[at]) >= 4 and all(worse[at])]
    assert not disappointing(space, trials(kinds), np.zeros(len(kinds)))


def test_candidates_have_no_category_that_disappointed() -> None:
    space, rng = ChoicePoints(SPACE), np.random.default_rng(0)
    points, losses = trials([0, 1] * 8 + [2] * 4), np.arange(20.0)
    (part,) = parts_to_search(space, points, losses, NONE, told=20, stalled=False)
    for found in (part.anywhere(64, rng), part.near(np.repeat(points, 8, axis=0), rng)):
        assert set(found[:, 0]) == {0.0, 1.0} and not np.isnan(found[:, 1]).any()
        assert len(set(found[:, 3])) == 11  # of the other categories none is missing
    assert part.anywhere(64, rng).shape == (64, 4)
    *parts, whole = parts_to_search(space, points, losses, NONE, told=20, stalled=True)
    assert 2.0 in parts[0].anywhere(8, rng)[:, 0]  # a stalled search tries it
    assert 2.0 not in whole.anywhere(64, rng)[:, 0]


def test_a_condition_that_leads_to_a_category_that_disappointed_leaves_the_candidate_out() -> None:
    split = Choice("split", ("gini", "entropy"), when=In("kind", ("tree",)))
    space, rng = ChoicePoints(SearchSpace("s", [Choice("kind", KINDS), split])), np.random.default_rng(0)
    part = WithoutCategories(space, {0: np.array([1, 2]), 1: np.array([1])})
    found = part.settled(np.array([[1.0, np.nan]] * 64), rng)
    assert 0 < len(found) < 64 and (found == 0.0).all()


@pytest.mark.parametrize(("rewards", "stalled"), [([0.0] * 6, False), ([0.0] * 7, True), ([0.0] * 7 + [1.0], False)])
def test_a_search_has_stalled_after_six_trials_without_a_better_one(rewards: list[float], stalled: bool) -> None:
    proposer = SurrogateProposer(SurrogateConfig())
    for reward in rewards:
        proposer.add(ObservedTrial({"kind": "tree"}, {}, Score.of(reward)))
    assert STALLED == 6 and proposer._trials.stalled is stalled
    assert SurrogateProposer.from_json(proposer.to_json(), SurrogateConfig())._trials.stalled is stalled


def test_a_search_has_not_stalled_because_of_trials_before_its_first_proposal() -> None:
    space, proposer = SearchSpace("s", [Choice("kind", KINDS)]), SurrogateProposer(SurrogateConfig())
    for stalled in (False, True):
        for _ in range(9):
            proposer.add(ObservedTrial({"kind": "tree"}, {}, Score.of(0.0)))
        assert proposer._trials.stalled
        proposer.propose(space, {}, (), np.random.default_rng(0))
        assert proposer._trials.stalled is stalled


def plateau(kind: str, share: float) -> float:
    """A forest has a value whatever its share; only a net with a share in a small range is better, a tree is worse."""
    return {"forest": 1.0, "tree": 2.0}.get(kind, 1.5 - (abs(share - 0.7) < 0.1))


@pytest.mark.thorough
@pytest.mark.usefixtures("quiet")
def test_a_stalled_search_in_optuna_tries_every_kind_of_model() -> None:
    def objective(trial: optuna.Trial) -> float:
        kind = trial.suggest_categorical("kind", KINDS)
        return plateau(kind, trial.suggest_float("share", 0.0, 1.0))

    for seed in range(3):
        study = optuna.create_study(sampler=TransferSampler(seed=seed))
        study.optimize(objective, n_trials=40)
        kinds = [trial.params["kind"] for trial in study.trials]
        assert min(kinds.count(kind) for kind in KINDS) >= 7 and study.best_value == 0.5


@pytest.mark.usefixtures("quiet")
def test_a_stalled_search_in_optuna_leaves_a_kind_that_always_fails() -> None:
    def objective(trial: optuna.Trial) -> float:
        kind, share = trial.suggest_categorical("kind", KINDS), trial.suggest_float("share", 0.0, 1.0)
        if kind == "net":
            raise MemoryError
        return plateau(kind, share)

    study = optuna.create_study(sampler=TransferSampler(seed=0))
    study.optimize(objective, n_trials=60, catch=MemoryError)
    by_surrogate = [
        trial.params["kind"] for trial in study.trials[20:] if trial.user_attrs["transfernas"]["name"] == "surrogate"
    ]
    assert by_surrogate.count("net") <= 10


@pytest.mark.thorough
@pytest.mark.parametrize("refused", [None, "net"])
def test_a_stalled_agent_goes_on_where_all_of_a_kind_are_evaluated_or_invalid(refused: str | None) -> None:
    numbers = [Choice(name, Range(0.0, 1.0), when=In("kind", ("tree", "net"))) for name in ("share", "other", "third")]
    space = SearchSpace("s", [Choice("kind", ("none", "tree", "net")), *numbers])
    agent = Agent([Problem(space, "t", valid=lambda config: config["kind"] != refused)], seed=0)
    for _ in range(50):
        trial = agent.ask()
        away = [float(str(trial.config.get(choice.name, 2.0))) - 0.3 for choice in numbers]
        agent.tell(trial, -round(2 * sum(np.square(away)), 1))
    due = np.arange(20, 50)[np.arange(20, 50) % 4 != 3]
    assert (agent.learner.replay.proposer[0, due] == SURROGATE).sum() >= 16  # of 23


@pytest.mark.thorough
@pytest.mark.usefixtures("quiet")
def test_a_search_that_stalls_after_a_transfer_tries_what_was_never_good_before() -> None:
    def objective(trial: optuna.Trial, best_net: float) -> float:
        kind, share = trial.suggest_categorical("kind", KINDS), trial.suggest_float("share", 0.0, 1.0)
        return best_net if kind == "net" and plateau(kind, share) == 0.5 else plateau(kind, share)

    for seed in range(3):
        sampler = TransferSampler(seed=seed)
        optuna.create_study(study_name="old", sampler=sampler).optimize(
            lambda trial: objective(trial, 1.5), n_trials=30
        )
        study = optuna.create_study(study_name="new", sampler=sampler)
        study.optimize(lambda trial: objective(trial, 0.5), n_trials=50)
        assert [trial.params["kind"] for trial in study.trials[:40]].count("net") >= 7 and study.best_value == 0.5


@pytest.mark.thorough
def test_a_stalled_agent_tries_every_kind_of_model() -> None:
    shares = tuple(np.linspace(0, 1, 30).round(3).tolist())
    space = SearchSpace("s", [Choice("kind", KINDS), *(Choice(name, shares) for name in ("share", "a", "b"))])
    agent, kinds = Agent([Problem(space, "t")], seed=0), []
    for _ in range(40):
        trial = agent.ask()
        kinds.append(str(trial.config["kind"]))
        agent.tell(trial, -plateau(kinds[-1], float(trial.config["share"])))  # type: ignore[arg-type]
    assert min(kinds.count(kind) for kind in KINDS) >= 7
