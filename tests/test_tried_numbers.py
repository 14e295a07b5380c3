"""The best trials of a space that nobody declared: they have the numbers that were tried, or the parts of ranges."""

import math
from pathlib import Path

import optuna
import pytest

from studies import objective, searched
from transfernas import Agent, Observation
from transfernas.insight.number_ranges import NumberRange, with_actions
from transfernas.integrations.optuna import TransferSampler
from transfernas.integrations.studies import learn_from_studies
from transfernas.learning.archive import WITH_NUMBERS

pytestmark = pytest.mark.usefixtures("quiet")


@pytest.fixture(scope="module")
def study() -> optuna.Study:
    before = optuna.logging.get_verbosity()
    optuna.logging.set_verbosity(optuna.logging.CRITICAL)
    found = optuna.create_study(study_name="one", sampler=TransferSampler(seed=0))
    first = {"optimizer": "sgd", "learning rate": 0.001334, "momentum": 0.5, "layers": 2, "units 0": 49, "units 1": 49}
    found.enqueue_trial({**first, "dropout": 0.2})  # numbers that are also the names of parts
    found.optimize(objective, n_trials=25)
    optuna.logging.set_verbosity(before)
    return found


def agent_of(study: optuna.Study, way: str, folder: Path) -> Agent:
    if way == "studies":
        return learn_from_studies(None, [study])[0]
    sampler = study.sampler
    assert isinstance(sampler, TransferSampler)
    return Agent.load(sampler.save(folder / "agent.safetensors")) if way == "file" else sampler.agent


@pytest.mark.parametrize("way", ["sampler", "file", "studies"])
def test_the_best_trials_are_those_that_ran(way: str, study: optuna.Study, tmp_path: Path) -> None:
    agent = agent_of(study, way, tmp_path)
    best, top = agent.best(), agent.top()
    assert best is not None and best == top[0]
    assert best.config == study.best_params and best.reward == -study.best_value
    ran = {-trial.values[0]: trial.params for trial in study.trials}
    assert len(top) > WITH_NUMBERS
    for seen in top:
        for name, value in ran[seen.reward].items():
            its = seen.config[name]
            if isinstance(its, NumberRange):
                assert its.low <= value <= its.high and its.low < its.high
            else:
                assert its == (
                    pytest.approx(value, rel=1e-9) if name == "dropout" else value
                )  # steps are no exact floats
    exact = [not any(isinstance(its, NumberRange) for its in seen.config.values()) for seen in top]
    assert exact[:5] == [True] * 5 and not exact[-1]


def test_an_enqueued_trial_at_the_name_of_a_part_is_exact() -> None:
    found = optuna.create_study(sampler=TransferSampler(seed=0))
    found.enqueue_trial({"x": 0.001334})
    found.optimize(lambda trial: trial.suggest_float("x", 1e-5, 1.0, log=True) * 0, n_trials=1)
    assert isinstance(found.sampler, TransferSampler)
    [seen] = found.sampler.agent.top()
    assert seen.config == {"x": 0.001334}


def test_the_best_trials_can_be_looked_at_and_learned_from(study: optuna.Study, tmp_path: Path) -> None:
    agent = agent_of(study, "file", tmp_path)
    top = agent.top()
    for seen in (top[0], top[-1]):
        attention = agent.beliefs(draws=1, attention=seen.config).attention
        assert attention is not None and list(attention.decisions) == list(seen.config)
        shown = dict(token.split("=") for token in attention.tokens if "=" in token)
        units = seen.config["units 0"]
        assert shown["units 0"] == str(units)
    before = agent.learner.learned
    agent.learn_from([Observation(agent.problems[0], seen.config, 0.0) for seen in (top[0], top[-1])])
    assert agent.learner.learned == before + 2
    for wrong in (999, True, 20.5):
        with pytest.raises(ValueError, match=f'choice "units 0" has no action {wrong}'):
            agent.learn_from([(agent.problems[0], {**top[0].config, "units 0": wrong}, 0.0)])
    for none in (True, [0, 1], "0", 0.5, math.nan):
        assert with_actions({"x": none}, {"x": {0: NumberRange(0, 1)}})["x"] is none
    assert with_actions({"x": 0.5}, {"x": {0: NumberRange(0.0, 1.0)}}) == {"x": 0}


def test_a_search_is_as_before_if_one_looks_at_its_best_trials() -> None:
    def values(looks: bool) -> list[object]:
        sampler = TransferSampler(seed=0)
        study = searched(sampler, 8)
        if looks:
            sampler.agent.top()
        study.optimize(objective, n_trials=4)
        return [trial.params for trial in study.trials]

    assert values(looks=True) == values(looks=False)
