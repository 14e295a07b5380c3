"""Searches of many parameters: what a trial costs is bounded, and what is drawn is the policy's all the same."""

from collections import Counter

import jax
import numpy as np
import optuna
import pytest

from sampling import sampled
from transfernas import Choice, Problem, SearchSpace, TrainingConfig
from transfernas.define_by_run import planning
from transfernas.define_by_run.plans import shapes_for
from transfernas.define_by_run.search import DefineByRunSearch
from transfernas.define_by_run.space import DefineByRunSpace
from transfernas.integrations.optuna import TransferSampler
from transfernas.integrations.optuna.study_search import StudySearch
from transfernas.learning.learner import Learner, new_learner
from transfernas.learning.likelihood import log_prob
from transfernas.learning.proposal import count_candidates, propose
from transfernas.policy.decoder import Decoder
from transfernas.spaces.condition import Action
from transfernas.spaces.domain import CategoricalDomain, Domain, NumericDomain
from transfernas.spaces.encoding import WIDE
from transfernas.spaces.trajectory import Trajectory

UNIT = NumericDomain(0.0, 1.0)
FEW = CategoricalDomain(("a", "b", "c"))


def names(count: int) -> list[str]:
    return [f"p{number}" for number in range(count)]


def trial_of(
    search: DefineByRunSearch, number: int, asked: list[str], domain: Domain = FEW
) -> dict[str, tuple[Domain, object]]:
    made: dict[str, tuple[Domain, object]] = {}
    for name in asked:
        made[name] = domain, search.suggest(number, made, name, domain)
    return made


@pytest.fixture
def rebuilt(monkeypatch: pytest.MonkeyPatch) -> Counter[str]:
    """Counts how often a space was discovered anew, and how often a trial was planned."""
    found: Counter[str] = Counter()

    def count(owner: object, name: str) -> None:
        run = getattr(owner, name)

        def counting(*given: object) -> object:
            found[name] += 1
            return run(*given)

        monkeypatch.setattr(owner, name, counting)

    count(DefineByRunSpace, "discovered")
    count(planning, "plan_by_policy")
    return found


@pytest.mark.parametrize("count", [20, 70, 100, 127])
@pytest.mark.thorough
def test_a_first_trial_takes_up_many_parameters_together(count: int, rebuilt: Counter[str]) -> None:
    search = DefineByRunSearch("wide", "one", seed=1)
    made = trial_of(search, 0, names(count))
    assert rebuilt["discovered"] == rebuilt["plan_by_policy"] == min(count, WIDE)
    search.tell(0, made, 1.0)
    assert rebuilt["discovered"] == min(count, WIDE) + (count > WIDE)
    following = trial_of(search, 1, names(count))
    assert rebuilt["plan_by_policy"] == min(count, WIDE) + 1
    assert list(following) == names(count)
    assert search.learner.current.replay.count == 1
    assert [choice.name for choice in search.learner.encoding.problems[0].space.choices] == names(count)


@pytest.mark.thorough
def test_new_parameters_among_many_known_ones_cost_one_rebuild(rebuilt: Counter[str]) -> None:
    search = DefineByRunSearch("wide", "one", seed=2)
    search.declare(dict.fromkeys(names(70), FEW))
    mixed = [name for pair in zip(names(70), [f"new{number}" for number in range(70)], strict=True) for name in pair]
    rebuilt.clear()
    search.tell(0, trial_of(search, 0, mixed), 1.0)
    assert rebuilt == {"plan_by_policy": 1, "discovered": 1}
    assert [choice.name for choice in search.learner.encoding.problems[0].space.choices] == mixed


@pytest.mark.thorough
def test_a_new_parameter_of_many_may_be_anything_it_can_be() -> None:
    search = DefineByRunSearch("wide", "one", seed=3)
    search.declare(dict.fromkeys(names(WIDE), FEW))
    found = Counter(trial_of(search, number, [*names(WIDE), "new"])["new"][1] for number in range(60))
    assert set(found) == {"a", "b", "c"}
    assert max(found.values()) < 40


@pytest.mark.parametrize("count", [80, 110])
@pytest.mark.thorough
def test_a_transferred_search_expects_what_its_source_knows(count: int, rebuilt: Counter[str]) -> None:
    source = DefineByRunSearch("wide", "one", seed=4)
    source.declare(dict.fromkeys(names(count), FEW))
    source.tell(0, trial_of(source, 0, names(count)), 1.0)
    rebuilt.clear()
    search = DefineByRunSearch("wide", "two", seed=5, source=source.agent())
    made = trial_of(search, 0, names(count))
    assert rebuilt["discovered"] == WIDE + 1
    search.tell(0, made, 1.0)
    assert rebuilt["discovered"] == WIDE + 1


@pytest.mark.thorough
def test_what_was_expected_and_not_asked_for_is_forgotten() -> None:
    source = DefineByRunSearch("wide", "one", seed=6)
    source.declare(dict.fromkeys(names(90), FEW))
    source.tell(0, trial_of(source, 0, names(90)), 1.0)
    search = DefineByRunSearch("wide", "two", seed=7, source=source.agent())
    asked = [*names(70), "other"]
    trial_of(search, 1, names(80))  # which is open all the while
    search.tell(0, trial_of(search, 0, asked), 1.0)
    assert [choice.name for choice in search.learner.encoding.problems[0].space.choices] == asked
    assert list(trial_of(search, 2, asked)) == asked


def test_what_a_parameter_costs_does_not_grow_with_those_before_it(monkeypatch: pytest.MonkeyPatch) -> None:
    search = DefineByRunSearch("wide", "one", seed=8)
    search.declare(dict.fromkeys(names(100), UNIT))
    called: list[float] = []
    action = NumericDomain.action
    monkeypatch.setattr(NumericDomain, "action", lambda self, value: called.append(value) or action(self, value))  # type: ignore[func-returns-value]
    trial_of(search, 0, names(100), UNIT)
    assert len(called) <= 200


@pytest.mark.thorough
def test_the_sampler_looks_at_each_parameter_once(monkeypatch: pytest.MonkeyPatch) -> None:
    sampler, looked = TransferSampler(seed=9), Counter[str]()

    def objective(trial: optuna.Trial) -> float:
        return sum(trial.suggest_float(name, 0.0, 1.0) for name in names(40))

    study = optuna.create_study(sampler=sampler)
    study.optimize(objective, n_trials=1)
    domain = StudySearch.domain
    monkeypatch.setattr(StudySearch, "domain", lambda self, *given: looked.update([given[0]]) or domain(self, *given))
    study.optimize(objective, n_trials=1)
    assert max(looked.values()) <= 3


def wide_learner(conditional: bool = False) -> Learner:
    when = {"p0": "a"} if conditional else None
    choices = [Choice(name, ("a", "b", "c"), when if 20 <= at < 60 else None) for at, name in enumerate(names(100))]
    min_shapes = shapes_for({choice.name: choice.actions for choice in choices})
    problem = Problem(SearchSpace("wide", choices), "one")
    learner = new_learner((problem,), TrainingConfig(), 10, min_shapes=min_shapes)
    assert learner.encoding.wide
    return learner


@pytest.mark.thorough
def test_a_cache_in_blocks_draws_what_a_whole_one_draws(monkeypatch: pytest.MonkeyPatch) -> None:
    learner = wide_learner()
    noise = np.random.default_rng(0).random((1, 3, learner.encoding.steps))
    blocks = sampled(learner, np.zeros(1, np.int32), noise)
    for row in range(3):
        trial = Trajectory(*(jax.numpy.asarray(leaf[0, row]) for leaf in blocks.trajectory))
        policy = jax.tree.map(lambda leaf: leaf[0], learner.state.policy)
        assert log_prob(policy, learner.tables, trial) == pytest.approx(blocks.log_prob[0, row], abs=2e-3)
    monkeypatch.setattr(Decoder, "block", classmethod(lambda cls, steps: steps))
    jax.clear_caches()
    whole = sampled(learner, np.zeros(1, np.int32), noise)
    jax.clear_caches()
    np.testing.assert_array_equal(whole.action_indices, blocks.action_indices)
    np.testing.assert_allclose(whole.log_prob, blocks.log_prob, rtol=1e-5)


def test_choices_that_are_passed_over_are_not_made() -> None:
    learner = wide_learner(conditional=True)
    noise = np.random.default_rng(1).random((1, 6, learner.encoding.steps))
    found = sampled(learner, np.zeros(1, np.int32), noise)
    lengths = set()
    for row in range(6):
        trial = Trajectory(*(leaf[0, row] for leaf in found.trajectory))
        config: dict[str, Action] = learner.encoding.config(0, trial)
        learner.encoding.problems[0].space.validate(config)
        assert learner.encoding.config_of_indices(0, found.action_indices[0, row]) == config
        lengths.add(len(config))
    assert lengths == {60, 100}


def test_long_trajectories_are_drawn_at_their_length_without_explorers() -> None:
    learner = wide_learner()
    assert count_candidates(learner) == 16
    assert 101 <= learner.encoding.steps_drawn < learner.encoding.steps == 128
    _, proposal = propose(learner)
    assert proposal.rollout.trajectory.actions.shape == (1, 128)
    learner.encoding.problems[0].space.validate(
        learner.encoding.config_of_indices(0, proposal.rollout.action_indices[0])
    )
