"""What the Gaussian process proposes in a search."""

import copy
import json
import math
import pickle
from collections.abc import Callable
from typing import Literal

import numpy as np
import optuna
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from threadpoolctl import ThreadpoolController

from transfernas import ProposalConfig, SurrogateConfig
from transfernas.define_by_run.plans import ObservedTrial, value_of
from transfernas.define_by_run.points import Points, SurrogateProposal
from transfernas.define_by_run.surrogate_proposer import BEST, LATEST, SPREAD, SurrogateProposer, models_of
from transfernas.integrations.optuna import TransferSampler
from transfernas.learning.archive import ArchivedProblem, archive_of_trials
from transfernas.learning.config import TrainingConfig
from transfernas.learning.randomness import Purpose, generator
from transfernas.learning.scores import Score, TrialOutcome
from transfernas.learning.source_models import MOST_SOURCES
from transfernas.processes.threads import one_thread
from transfernas.spaces.choice import Choice
from transfernas.spaces.condition import In
from transfernas.spaces.domain import CategoricalDomain, Domain, NumericDomain
from transfernas.spaces.space import SearchSpace

DOMAINS: dict[str, Domain] = {
    "rate": NumericDomain(1e-4, 1.0, log=True),
    "kind": CategoricalDomain(("a", "b", "c")),
    "layers": NumericDomain(1, 40, integer=True),
    "momentum": NumericDomain(0.0, 1.0),
}
SPACE = SearchSpace(
    "space",
    [
        Choice("rate", DOMAINS["rate"].actions),
        Choice("kind", DOMAINS["kind"].actions),
        Choice("layers", DOMAINS["layers"].actions),
        Choice("momentum", DOMAINS["momentum"].actions, when=In("kind", ("a", "c"))),
    ],
)


def observed(values: dict[str, object], score: Score | None) -> ObservedTrial:
    actions = {name: DOMAINS[name].action(value) for name, value in values.items()}  # type: ignore[arg-type]
    numbers = {name: float(value) for name, value in values.items() if not isinstance(value, str)}  # type: ignore[arg-type]
    return ObservedTrial(actions, numbers, score)


def loss(values: dict[str, object]) -> float:
    rate, layers = float(values["rate"]), float(values["layers"])  # type: ignore[arg-type]
    own = (float(values["momentum"]) - 0.8) ** 2 if "momentum" in values else 0.5  # type: ignore[arg-type]
    return (math.log10(rate) + 2) ** 2 + (layers / 40 - 0.3) ** 2 + own + 0.2 * (values["kind"] == "c")


def drawn(rng: np.random.Generator) -> dict[str, object]:
    values: dict[str, object] = {"rate": float(10 ** rng.uniform(-4, 0)), "kind": "abc"[rng.integers(3)]}
    values["layers"] = int(rng.integers(1, 41))
    return values if values["kind"] == "b" else {**values, "momentum": float(rng.random())}


def told(count: int, seed: int = 0) -> SurrogateProposer:
    proposer, rng = SurrogateProposer(SurrogateConfig()), np.random.default_rng(seed)
    for _ in range(count):
        values = drawn(rng)
        proposer.add(observed(values, Score.of(-loss(values))))
    return proposer


def proposed(proposer: SurrogateProposer, number: int, pending: tuple[ObservedTrial, ...] = ()) -> SurrogateProposal:
    found = proposer.propose(SPACE, DOMAINS, pending, generator(0, Purpose.SURROGATE, number))
    assert found is not None
    return found


def values_of(found: SurrogateProposal) -> dict[str, object]:
    return {name: found.numbers.get(name, action) for name, action in found.actions.items()}


def test_what_it_proposes_is_of_the_space_and_soon_near_the_best() -> None:
    proposer = told(10)
    losses = []
    for number in range(20):
        found = proposed(proposer, number)
        SPACE.validate(found.actions)
        assert found.actions == {name: DOMAINS[name].action(value) for name, value in values_of(found).items()}  # type: ignore[arg-type]
        losses.append(loss(values_of(found)))
        proposer.add(observed(values_of(found), Score.of(-losses[-1])))
    rng = np.random.default_rng(1)
    assert min(losses) < 0.1 * min(loss(drawn(rng)) for _ in range(100))


def earlier_problem(task: str, objective: Callable[[dict[str, object]], float], seed: int) -> ArchivedProblem:
    """Forty random trials of another task, of which the archive knows the exact numbers."""
    rng = np.random.default_rng(seed)
    trials = [drawn(rng) for _ in range(40)]
    told = [(observed(values, None), Score.of(-objective(values))) for values in trials]
    return archive_of_trials("space", task, [(one.actions, one.numbers, score) for one, score in told])


def searched(sources: list[ArchivedProblem], count: int, first: int = 4) -> list[float]:
    """The losses of a search of the process alone, after some random trials."""
    proposer, losses = told(first), list[float]()
    for number in range(count):
        rng = generator(0, Purpose.SURROGATE, number)
        found = proposer.propose(SPACE, DOMAINS, (), rng, sources=sources)
        assert found is not None
        SPACE.validate(found.actions)
        losses.append(loss(values_of(found)))
        proposer.add(observed(values_of(found), Score.of(-losses[-1])))
    return losses


def test_an_earlier_problem_that_is_alike_helps_from_the_first_proposal_on() -> None:
    alike = [earlier_problem(f"task {seed}", lambda values: 30.0 * loss(values) - 4.0, seed) for seed in range(3)]
    with_them, without = searched(alike, 6), searched([], 6)
    assert with_them[0] < 0.3 * min(without[:3])
    assert min(with_them) < 0.5 * min(without)


def test_earlier_problems_that_mislead_are_soon_outweighed() -> None:
    opposed = [earlier_problem(f"task {seed}", lambda values: -loss(values), seed) for seed in range(3)]
    rng = np.random.default_rng(1)
    assert min(searched(opposed, 20)) < 0.2 * min(loss(drawn(rng)) for _ in range(24))


def test_an_earlier_problem_speaks_of_its_own_parameters_and_of_no_others() -> None:
    proposer = told(4)
    points = Points(SPACE, DOMAINS)
    other = archive_of_trials(
        "space", "old", [({"rate": DOMAINS["rate"].action(10.0**-at)}, {}, Score.of(at)) for at in range(5)]
    )
    few = archive_of_trials("space", "few", [({"rate": 0.1}, {}, Score.of(1.0))])
    strange = archive_of_trials("space", "strange", [({"else": at}, {}, Score.of(1.0 * at)) for at in range(9)])
    [model] = models_of([other, few, strange], points).models
    assert model.known.tolist() == [True, False, False, False]
    rows = points.anywhere(20, np.random.default_rng(0))
    moved = rows.copy()
    moved[:, 1:] = points.anywhere(20, np.random.default_rng(1))[:, 1:]
    np.testing.assert_array_equal(model(rows), model(moved))
    assert proposer.propose(SPACE, DOMAINS, (), np.random.default_rng(0), sources=[few, strange]) is not None


@pytest.mark.thorough
@given(
    st.lists(
        st.tuples(
            st.one_of(
                st.floats(allow_nan=False, allow_infinity=False), st.integers(), st.just(10**400), st.just(-(10**400))
            ),
            st.floats(allow_nan=False, allow_infinity=False),
        ),
        min_size=4,
        max_size=12,
    )
)
@settings(max_examples=40, deadline=None)
def test_whatever_numbers_an_earlier_problem_has_something_is_proposed(trials: list[tuple[float, float]]) -> None:
    found = [({"rate": 0.5, "layers": value}, {"layers": value}, Score.of(reward)) for value, reward in trials]
    if any(abs(value) > 1e308 for value, _ in trials):  # no number of a trial, but an action of a declared space
        found = [({"rate": 0.5, "layers": value}, {}, Score.of(reward)) for value, reward in trials]
    source = archive_of_trials("space", "old", found)
    proposal = told(6).propose(SPACE, DOMAINS, (), generator(0, Purpose.SURROGATE, 0), sources=[source])
    assert proposal is not None
    SPACE.validate(proposal.actions)


@pytest.mark.thorough
def test_of_many_earlier_problems_those_that_share_most_parameters_are_used_and_the_latest_of_these() -> None:
    narrow = [({"rate": 10.0**-at}, {"rate": 10.0**-at}, Score.of(1.0 * at)) for at in range(5)]
    many = [earlier_problem(f"task {number}", loss, number) for number in range(MOST_SOURCES + 3)]
    points = Points(SPACE, DOMAINS)
    found = models_of([*many, archive_of_trials("space", "narrow", narrow)], points)
    assert len(found.models) == MOST_SOURCES and all(model.known.all() for model in found.models)
    latest = models_of(many[-1:], points).models[0]
    rows = points.anywhere(5, np.random.default_rng(0))
    np.testing.assert_array_equal(found.models[0](rows), latest(rows))


def test_nothing_is_proposed_twice_and_what_is_being_evaluated_is_not_proposed() -> None:
    proposer, pending = told(20), list[ObservedTrial]()
    for number in range(12):  # of workers that began at the same time
        found = proposed(proposer, number, tuple(pending))
        assert all(found.actions != one.actions or found.numbers != one.numbers for one in pending)
        pending.append(observed(values_of(found), None))
    places = [math.log10(float(one.numbers["rate"])) for one in pending]
    assert len({round(place, 3) for place in places}) > 6


def test_where_all_was_tried_it_proposes_nothing() -> None:
    kinds: dict[str, Domain] = {"kind": CategoricalDomain(("a", "b")), "size": NumericDomain(1, 2, integer=True)}
    space = SearchSpace("small", [Choice(name, domain.actions) for name, domain in kinds.items()])
    proposer = SurrogateProposer(SurrogateConfig())
    for number, (kind, size) in enumerate([("a", 1), ("a", 2), ("b", 1)]):
        proposer.add(ObservedTrial({"kind": kind, "size": size}, {}, Score.of(float(number))))
    found = proposer.propose(space, kinds, (), generator(0, Purpose.SURROGATE, 0))
    assert found == SurrogateProposal({"kind": "b", "size": 2}, {"size": 2.0})
    proposer.add(ObservedTrial({"kind": "b", "size": 2}, {}, None))
    assert proposer.propose(space, kinds, (), generator(0, Purpose.SURROGATE, 0)) is None


@pytest.mark.parametrize(
    "scores",
    [
        [Score.of(1.0)] * 9,
        [Score.of(1e300), Score.of(-1e300)] * 5,
        [Score.of(1e-300 * at) for at in range(9)],
        [Score(TrialOutcome.FAILED, 0.0)] * 9,
        [Score.of(-math.inf)] * 5 + [Score.of(0.5)] * 4,
        [Score.of(math.inf), Score(TrialOutcome.PRUNED, 3.0), Score(TrialOutcome.INFEASIBLE, 1.0), Score.of(0.1)] * 3,
    ],
    ids=["equal", "huge", "tiny", "failed", "diverged", "of all grades"],
)
def test_whatever_the_scores_are_something_is_proposed(scores: list[Score]) -> None:
    proposer, rng = SurrogateProposer(SurrogateConfig()), np.random.default_rng(0)
    for score in scores:
        proposer.add(observed(drawn(rng), score))
    SPACE.validate(proposed(proposer, 0).actions)


def test_one_trial_is_enough_and_thousands_are_not_too_many() -> None:
    SPACE.validate(proposed(told(1), 0).actions)
    proposer, everything, rng = told(3_000), list[float](), np.random.default_rng(0)
    SPACE.validate(proposed(proposer, 0).actions)
    for _ in range(3_000):
        everything.append(-loss(drawn(rng)))
    best, latest, spread, _ = ([one[2][1] for one in each] for each in proposer.to_json()["trials"])
    assert best == sorted(everything, reverse=True)[:BEST]
    assert len(latest) == LATEST and latest[-1] == [one for one in everything if one < best[-1]][-1]
    assert len(spread) == SPREAD and min(map(everything.index, spread)) < 500  # not all of it is of late


def test_hundreds_of_categories_and_of_parameters_are_no_trouble() -> None:
    rng = np.random.default_rng(0)
    domains: dict[str, Domain] = {"kind": CategoricalDomain(tuple(range(500)))}
    domains |= {f"x{at}": NumericDomain(0.0, 1.0) for at in range(100)}
    space = SearchSpace("wide", [Choice(name, domain.actions) for name, domain in domains.items()])
    proposer = SurrogateProposer(SurrogateConfig())
    for _ in range(30):
        numbers = {name: float(rng.random()) for name in domains if name != "kind"}
        actions = {name: domains[name].action(value) for name, value in numbers.items()}
        kind = int(rng.integers(500))
        proposer.add(ObservedTrial({"kind": kind, **actions}, numbers, Score.of(-float(kind > 250) - numbers["x3"])))
    found = proposer.propose(space, domains, (), generator(0, Purpose.SURROGATE, 0))
    assert found is not None
    space.validate(found.actions)


def test_a_space_may_grow_and_a_parameter_change_its_kind() -> None:
    proposer = told(12)
    grown: dict[str, Domain] = {
        **DOMAINS,
        "momentum": CategoricalDomain(("none", "some")),
        "new": NumericDomain(5.0, 6.0),
    }
    actions = {name: (*SPACE[name].actions, *grown[name].actions) for name in ("kind", "momentum")}
    choices = [Choice(name, tuple(dict.fromkeys(actions.get(name, domain.actions)))) for name, domain in grown.items()]
    space = SearchSpace("space", choices)
    found = proposer.propose(space, grown, (), generator(0, Purpose.SURROGATE, 0))
    assert found is not None
    space.validate(found.actions)
    assert 5.0 <= found.numbers["new"] <= 6.0 and found.actions["momentum"] in ("none", "some")


def test_it_goes_on_from_json_as_it_would_have() -> None:
    proposer = told(25)
    proposer.add(observed(drawn(np.random.default_rng(7)), None))
    proposed(proposer, 0)
    values = drawn(np.random.default_rng(8))
    proposer.add(observed(values, Score.of(-loss(values))))
    again = SurrogateProposer.from_json(json.loads(json.dumps(proposer.to_json())), SurrogateConfig())
    copied, pickled = copy.deepcopy(proposer), pickle.loads(pickle.dumps(proposer))
    for number in range(1, 4):
        expected = proposed(proposer, number)
        assert [proposed(one, number) for one in (again, copied, pickled)] == [expected] * 3


@pytest.mark.parametrize("field", ["trials", "counts", "found", "names"])
def test_what_is_no_proposer_is_refused(field: str) -> None:
    proposer = told(9)
    proposed(proposer, 0)
    with pytest.raises((LookupError, TypeError, ValueError)):
        SurrogateProposer.from_json({**proposer.to_json(), field: ["no"]}, SurrogateConfig())


@pytest.mark.parametrize("damage", ["length", "noise", "number", "reward"])
def test_what_is_not_finite_in_a_file_is_refused(damage: str) -> None:
    proposer = told(9)
    proposed(proposer, 0)
    state = json.loads(json.dumps(proposer.to_json()))
    first = state["trials"][0][0]
    if damage == "length":
        state["found"][0][0] = math.inf
    elif damage == "noise":
        state["found"][2] = math.nan
    elif damage == "number":
        first[1]["rate"] = math.inf
    else:
        first[2][1] = math.nan
    with pytest.raises(ValueError, match="not finite"):
        SurrogateProposer.from_json(state, SurrogateConfig())


def test_what_numpy_is_told_to_raise_does_not_reach_it() -> None:
    proposer = told(25)
    expected = proposed(copy.deepcopy(proposer), 0)
    with np.errstate(all="raise"):
        assert proposed(proposer, 0) == expected


def bowl(trial: optuna.trial.BaseTrial) -> float:
    return sum((trial.suggest_float(f"x{at}", -1.0, 1.0) - 0.1 * at) ** 2 for at in range(4))


@pytest.mark.thorough
def test_a_search_of_numbers_ends_far_nearer_to_the_best_than_with_bins_alone() -> None:
    values = {}
    for surrogate in (True, False):
        sampler = TransferSampler(
            seed=3, config=TrainingConfig(proposal=ProposalConfig(surrogate=SurrogateConfig() if surrogate else None))
        )
        study = optuna.create_study(sampler=sampler)
        study.optimize(bowl, n_trials=50)
        values[surrogate] = study.best_value
    assert values[True] < 0.1 * values[False]


def test_the_first_trials_are_the_policys() -> None:
    found = []
    for surrogate in (None, SurrogateConfig(), SurrogateConfig(first=5, every=3)):
        config = TrainingConfig(proposal=ProposalConfig(surrogate=surrogate))
        study = optuna.create_study(sampler=TransferSampler(seed=3, config=config))
        study.optimize(bowl, n_trials=9)
        found.append([trial.params for trial in study.trials])
    for first, params in ((8, found[1]), (6, found[2])):
        assert params[:first] == found[0][:first] and params[first] != found[0][first]


def test_workers_of_one_study_are_not_given_the_same_point() -> None:
    study = optuna.create_study(sampler=TransferSampler(seed=3))
    study.optimize(bowl, n_trials=20)
    asked = [study.ask() for _ in range(6)]
    for trial in asked:
        bowl(trial)
    points = np.array([list(trial.params.values()) for trial in asked])
    apart = np.linalg.norm(points[:, None] - points, axis=2)[np.triu_indices(6, 1)]
    assert apart.min() > 1e-3


def test_it_is_off_in_the_papers_settings() -> None:
    assert TrainingConfig.paper().proposal.surrogate is None
    assert TrainingConfig().proposal.surrogate is not None


@pytest.mark.parametrize("direction", ["minimize", "maximize"])
@pytest.mark.thorough
def test_under_noise_the_expected_best_is_better_than_the_best_single_trial(
    direction: Literal["minimize", "maximize"],
) -> None:
    sign, found = (1 if direction == "minimize" else -1), []
    for seed in range(4):

        def noisy(trial: optuna.Trial) -> float:
            noise = np.random.default_rng([seed, trial.number]).standard_normal()  # noqa: B023
            return sign * (bowl(trial) + 0.3 * float(noise))

        sampler = TransferSampler(seed=seed)
        study = optuna.create_study(sampler=sampler, direction=direction)
        study.optimize(noisy, n_trials=60)
        best = sampler.expected_best(study)
        assert best.params in [trial.params for trial in study.trials] and best.deviation > 0
        truly, lucky = (bowl(optuna.trial.FixedTrial(params)) for params in (best.params, study.best_params))
        found.append([truly, lucky, abs(sign * best.value - truly), abs(sign * study.best_value - lucky)])
    truly, lucky, off, off_lucky = np.mean(found, axis=0)
    assert truly < lucky and off < 0.8 * off_lucky


def test_to_ask_for_the_expected_best_changes_nothing() -> None:
    found = []
    for asks in (False, True):
        sampler = TransferSampler(seed=3)
        study = optuna.create_study(sampler=sampler)
        study.optimize(bowl, n_trials=11)
        if asks:
            assert sampler.expected_best(study).value == pytest.approx(study.best_value, abs=0.2)
        study.optimize(bowl, n_trials=4)
        found.append([trial.params for trial in study.trials])
    assert found[0] == found[1]


def test_the_expected_best_has_the_values_that_were_tried() -> None:
    kinds = CategoricalDomain((1, True, (2, 3)))  # the last one is called as it shows
    made: dict[str, tuple[Domain, object]] = {
        "kind": (kinds, True),
        "pair": (kinds, (2, 3)),
        "steps": (NumericDomain(1, 500, integer=True), 37),
        "rate": (NumericDomain(0.0, 1.0, step=0.25), 0.75),
        "any": (NumericDomain(1e-3, 1.0, log=True), np.float64(0.0123)),
    }
    trial = ObservedTrial.of(made)
    again = {name: value_of(trial, name, domain) for name, (domain, _) in made.items()}
    assert again == {"kind": True, "pair": (2, 3), "steps": 37, "rate": 0.75, "any": 0.0123}
    assert [type(value) for value in again.values()] == [bool, tuple, int, float, float]
    assert value_of(trial, "steps", NumericDomain(1, 10, integer=True)) == 37
    assert value_of(trial, "kind", CategoricalDomain(("a", "b"))) is True


@pytest.mark.thorough
def test_where_nothing_was_told_nothing_is_expected() -> None:
    sampler = TransferSampler(seed=3)
    with pytest.raises(ValueError, match="no trial of it is finished yet"):
        sampler.expected_best(optuna.create_study(sampler=sampler))
    paper = TransferSampler(seed=3, config=TrainingConfig.paper())
    study = optuna.create_study(sampler=paper)
    study.optimize(bowl, n_trials=2)
    with pytest.raises(ValueError, match="proposal.surrogate"):
        paper.expected_best(study)


def test_ray_tells_the_expected_best_nested() -> None:
    tune = pytest.importorskip("ray.tune", reason="Ray is not installed")
    from transfernas.integrations.ray import TransferSearch

    space = {
        "optimizer": {"lr": tune.loguniform(1e-4, 1.0), "kind": tune.choice(["a", "b"])},
        "layers": tune.randint(1, 9),
    }
    search = TransferSearch(space, "loss", "min", seed=0)
    with pytest.raises(ValueError, match="no trial has a value yet"):
        search.expected_best()
    configs = []
    for number in range(12):
        config = search.suggest(str(number))
        assert config is not None
        configs.append(config)
        off = abs(math.log10(config["optimizer"]["lr"]) + 2) + (config["optimizer"]["kind"] == "b") + config["layers"]
        search.on_trial_complete(str(number), {"loss": off})
    best = search.expected_best()
    assert best.params in configs and best.value > 0


def test_linear_algebra_gets_its_threads_back() -> None:
    info = ThreadpoolController().select(user_api="blas").info
    before = info()
    with one_thread():
        assert all(library["num_threads"] == 1 for library in info())
    assert info() == before
