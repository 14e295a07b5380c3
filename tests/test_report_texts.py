"""The report says the same of one search from a study and from an agent, and says what its numbers mean."""

import functools
import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import optuna
import pytest
from optuna.distributions import BaseDistribution, IntDistribution
from optuna.trial import create_trial
from scipy.stats import kruskal
from typer.testing import CliRunner

from searchers import FAST
from transfernas import plots
from transfernas.cli import page
from transfernas.cli.app import app
from transfernas.cli.sections import _measured
from transfernas.insight.beliefs import ParameterBeliefs
from transfernas.insight.figure_data import value_shares
from transfernas.insight.importances import Importance, importances, kruskal_wallis, too_weak
from transfernas.insight.likeness import TaskLikeness
from transfernas.insight.number_ranges import NumberRange, number_words
from transfernas.insight.progress import old_against_new, record_of
from transfernas.integrations.optuna import TransferSampler
from transfernas.integrations.optuna.record import expected_best_of_study, record_of_study
from transfernas.integrations.studies import learn_from_studies
from transfernas.spaces.condition import Action
from transfernas.spaces.domain import NumericDomain
from transfernas.spaces.grid import bins_among_names


def run(*arguments: object, command: str = "report", code: int = 0) -> str:
    result = CliRunner(env={"COLUMNS": "500"}).invoke(app, [command, *map(str, arguments)])
    assert result.exit_code == code, result.output
    return result.output


def loss(trial: optuna.Trial, scalers: list[str]) -> float:
    trial.suggest_categorical("scaler", scalers)
    if trial.suggest_categorical("model", ["svm", "trees"]) == "svm":
        return abs(trial.suggest_float("C", 1e-2, 1e3, log=True) - 0.1) + trial.suggest_float("gamma", 0, 1)
    return 0.5 + trial.suggest_int("leaf", 1, 20) / 20


@pytest.mark.thorough
def test_a_trial_of_a_part_of_its_plan_keeps_its_proposer(tmp_path: Path) -> None:
    """The first trial of another kind of model is planned with the parameters of both kinds."""
    left = 0
    for seed in range(3):
        source = None
        for name, scalers, trials in (("old", ["a"], 6), ("new", ["a", "b", "c"], 5)):
            sampler = TransferSampler(source, seed=seed, config=FAST)
            study = optuna.create_study(study_name=name, sampler=sampler)
            study.optimize(functools.partial(loss, scalers=scalers), n_trials=trials)
            source = sampler.agent
        agent = sampler.agent
        row = [problem.task for problem in agent.problems].index("new")
        seen, told = record_of_study(study), record_of(agent.learner, row)
        assert [trial.kind for trial in seen.trials] == [trial.kind for trial in told.trials]
        assert old_against_new(seen) == old_against_new(told)
        left += int((agent.learner.replay.proposer[0] < -2).sum())
        loaded = type(agent).load(agent.save(tmp_path / "agent.safetensors"))
        assert record_of(loaded.learner, row) == told
    assert left  # some plan was left in part


def remainder(trial: optuna.Trial, most: int) -> float:
    return trial.suggest_int("components", 2, most, log=True) % 5


@pytest.fixture(scope="module")
def pretrained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An agent of two studies of one space, whose whole numbers have a long range and a short one."""
    studies = list[optuna.Study]()
    for name, most in (("long", 60), ("short", 13)):
        study = optuna.create_study(study_name=name, sampler=optuna.samplers.RandomSampler(seed=0))
        study.optimize(functools.partial(remainder, most=most), n_trials=24)
        studies.append(study)
    agent, _ = learn_from_studies(None, studies, config=FAST)
    return agent.save(tmp_path_factory.mktemp("pretrained") / "agent.safetensors")


@pytest.mark.thorough
def test_studies_of_several_ranges_show_the_range_of_each(pretrained: Path, tmp_path: Path) -> None:
    """Names of parts are among names of single numbers; neither is shown as the range of the other study."""
    text = run(pretrained, command="inspect")
    assert "about 2 to 13 (log) in its trials" in text and "about 2 to 56 (log) in its trials" in text
    assert "About: an agent keeps the parts" in text and "2 to 78" not in text
    out = tmp_path / "report.html"
    run(pretrained, "--out", out)  # a number of the best trials is no action of the space
    text = out.read_text(encoding="utf8")
    assert re.search(r"about \d+ to \d+", text) and "~" in text


def test_bins_are_found_among_other_names() -> None:
    long, short = (NumericDomain(2, most, log=True, integer=True) for most in (60, 13))
    names = tuple(dict.fromkeys((*long.actions, *short.actions)))
    found = bins_among_names(names)
    assert found is not None and [each.action for each in found] == list(long.actions)
    assert (found[0][1:], found[-2][1:]) == ((2, 3), (32, 56))
    assert bins_among_names((8, 16, 32, 64, 100)) is None and bins_among_names(tuple(range(1, 7))) is None
    assert bins_among_names((0.5, 0.75, 2.0)) is None and bins_among_names(("a", 1)) is None


def test_numbers_on_an_axis_are_short() -> None:
    """A range of nine decades has no long numbers, and a thousand is written as one."""
    rates = NumericDomain(1e-4, 1e5, log=True)
    ranges = tuple(NumberRange(*each[1:]) for each in rates.bins)
    shares = tuple(1 / len(ranges) for _ in ranges)
    beliefs = ParameterBeliefs("C", rates.actions, 1.0, shares, (), None, None, ranges)
    assert value_shares(beliefs).tick_labels == ("0.0001", "0.0178", "3.16", "562", "100000")
    assert str(NumberRange(562.3413, 1000.0)) == "562 to 1000" and str(NumberRange(1000.0, 1778.3)) == "1000 to 1778"
    first = (ranges[0]._replace(about=True), *ranges[1:])
    assert value_shares(replace(beliefs, ranges=first)).tick_labels[:2] == ("~0.0001", "0.0178")


def test_no_reward_is_a_negative_zero() -> None:
    assert (page.number(-0.0), page.number(-1.5), number_words((-0.0, 1.0))) == ("0", "-1.5", ["0", "1"])


@pytest.mark.thorough
def test_old_configurations_beyond_the_range_are_those_that_were_tried(tmp_path: Path) -> None:
    """The best numbers of the old study are above 30, where the range of the new study ends."""
    url, path = f"sqlite:///{tmp_path / 'studies.db'}", tmp_path / "agent.safetensors"
    source = None
    for name, most, trials in (("old", 60, 10), ("new", 30, 4)):
        sampler = TransferSampler(source, seed=0, config=FAST)
        study = optuna.create_study(study_name=name, storage=url, sampler=sampler, direction="maximize")

        def value(trial: optuna.Trial, most: int = most) -> float:
            rate = trial.suggest_float("rate", 0.0, 1.0)
            return trial.suggest_int("pca", 2, most, log=True) - rate

        for number in (44, 41, 39) if source is None else ():
            study.enqueue_trial({"pca": number})
        study.optimize(value, n_trials=trials)
        source = sampler.agent
    sampler.save(path)
    started = [trial for trial in record_of_study(study).trials if trial.kind == "warm start"]
    assert started[0].params["pca"] == 30
    for arguments in ((url, "--study", "new", "--agent", path), (path,)):
        run(*arguments, "--out", tmp_path / "report.html")
        text = (tmp_path / "report.html").read_text(encoding="utf8")
        assert f"tried unless they disappoint: {len(started)} of " in text
        assert not re.search(r"pca=(3[1-9]|[4-9]\d)\b", text)


@pytest.mark.thorough
def test_an_agent_that_has_not_learned_from_the_study_is_told_first(pretrained: Path, tmp_path: Path) -> None:
    url, out = f"sqlite:///{tmp_path / 'studies.db'}", tmp_path / "report.html"
    study = optuna.create_study(study_name="other", storage=url)
    for number in range(9):
        noted = {"transfernas": {"name": "warm start from faces", "trust": 0.5}}
        space: dict[str, BaseDistribution] = {"components": IntDistribution(2, 60, log=True)}
        params = {"components": 2 + number}
        study.add_trial(create_trial(value=number, params=params, distributions=space, user_attrs=noted))
    said = run(url, "--study", "other", "--agent", pretrained, "--out", out)
    words = "The agent has not learned from this study, 'other'"
    assert said.startswith(f"Note: {words}") and str(pretrained) in said and said.count(words) == 1
    text = re.sub(r"<[^>]+>", " ", out.read_text(encoding="utf8").partition("<main>")[2].replace("&#x27;", "'"))
    assert text.split("best value")[0].strip().startswith(words) and text.count(words) == 1
    start, rest = text.split("Who proposed, and with which gain")
    assert "9 trials came from the best ones of faces." in start and "had learned from" not in start
    assert "Known to the agent of the file" in rest and "The agent had learned from 2 tasks: long, short." in rest
    assert "tried unless they disappoint: 0 of " in rest


def failing(trial: optuna.Trial) -> float:
    rate = trial.suggest_float("rate", 0.0, 1.0)
    if trial.number % 5 == 3:
        raise optuna.TrialPruned
    if trial.number % 5 == 4:
        raise ValueError
    return abs(rate - 0.3) + 0.3 * (trial.number % 2)


@pytest.mark.thorough
def test_failures_are_counted_and_the_expected_best_trial_is_compared(tmp_path: Path) -> None:
    url, out = f"sqlite:///{tmp_path / 'studies.db'}", tmp_path / "report.html"
    sampler = TransferSampler(seed=0, config=FAST)
    study = optuna.create_study(study_name="noisy", storage=url, sampler=sampler)
    study.optimize(failing, n_trials=20, catch=(ValueError,))
    for trial in study.trials[:3]:  # the same parameters have other values
        study.add_trial(create_trial(params=trial.params, distributions=trial.distributions, value=trial.number - 1.0))
    path = sampler.save(tmp_path / "agent.safetensors")
    record = record_of_study(study)
    assert record.endings == {"complete": 15, "pruned": 4, "failed": 4}
    run(url, "--out", out)
    text = re.sub(r"<[^>]+>", "", out.read_text(encoding="utf8"))
    assert "finished trials23: 15 complete, 4 pruned, 4 failed" in text and "without a value has no mark" in text
    run(path, "--out", out)
    text = re.sub(r"<[^>]+>", "", out.read_text(encoding="utf8"))
    assert "trials learned from19: 15 complete, 4 pruned" in text
    assert "failed ones among them: noisy of " in run(path, command="inspect")
    found = sampler.expected_best(study)
    again = expected_best_of_study(study, None)
    assert again is not None and found.number is not None and study.trials[found.number].params == found.params
    for one in (found, again):
        assert one.value <= one.best_value and one.best_deviation > 0  # to be minimised
        assert (one.number == study.best_trial.number) == ((one.value, one.deviation) == one[3:5])


def test_a_wide_table_has_the_head_of_each_cell_for_narrow_pages() -> None:
    heads = ["trial", '"C"', *"abcd"]
    wide, narrow = page.table(heads, [[1, 2.0, *"wxyz"]]), page.table(heads[:2], [[1, 2.0]])
    assert '<div class="table wide" ' in wide and '<td class=number data-head="&quot;C&quot;">2</td>' in wide
    assert wide.count("data-head") == 6 and "data-head" not in narrow and "wide" not in narrow
    assert "attr(data-head)" in page.document("title", [wide])
    config = ", ".join(f"parameter {number}=1" for number in range(9))
    assert "data-head" in page.table(heads[:3], [[1, 2.0, config]]) and "data-head" not in page.table(
        heads[:3], [[1, 2.0, "a"]]
    )
    assert "data-head" not in page.table(heads[:2], [[1, config]])


def test_importances_that_chance_may_give_are_too_weak() -> None:
    """Of 200 searches of parameters without effect, about one of twenty is not too weak; an effect is found."""
    rng = np.random.default_rng(0)
    told = 0
    for _ in range(200):
        trials: list[dict[str, Action]] = [
            {"rate": float(rng.random()), "act": "ab"[rng.integers(2)], "size": 1} for _ in range(30)
        ]
        told += not too_weak(importances(trials, rng.permutation(30) / 29))
    assert told <= 20
    rates = np.linspace(0, 1, 30)
    found = importances([{"rate": rate, "act": "ab"[rng.integers(2)]} for rate in rates.tolist()], rates)
    assert not too_weak(found) and found["rate"].chance < 1e-4 < found["act"].chance and not too_weak({})
    groups, ranks = np.repeat([0, 1, 2], 4), np.arange(12) / 11
    h, n, k = kruskal_wallis(groups, ranks)
    assert (n, k) == (12, 3) and h == pytest.approx(kruskal(*np.split(ranks, 3)).statistic)


def test_weak_importances_and_chance_likeness_say_so() -> None:
    weak = {"C": Importance(0.02, 0.4, 0.3), "gamma": Importance(0.03, 0.6, 0.2)}
    assert plots.plot_importances(weak).get_title(loc="left") == "too weak to tell"
    strong = {name: its._replace(chance=0.001) for name, its in weak.items()}
    assert plots.plot_importances(strong).get_title(loc="left") == ""
    words = _measured(weak)
    assert words.startswith("Too weak to tell") and "gamma: it explains 3 % of the order" in words
    assert "weak" not in _measured(strong)
    few, many = (TaskLikeness("s", "t", 30, 0.1, 0.3, shared) for shared in (24, 80))
    assert few.by_chance and not many.by_chance
    assert not TaskLikeness("s", "t", 30, 0.1, None, 2).by_chance


@pytest.mark.thorough
def test_values_that_no_trial_had_are_named(tmp_path: Path) -> None:
    sampler = TransferSampler(seed=0, config=FAST)
    study = optuna.create_study(study_name="one", storage=f"sqlite:///{tmp_path / 'studies.db'}", sampler=sampler)
    study.optimize(lambda trial: trial.suggest_float("rate", 1e-5, 1.0, log=True), n_trials=3)
    path, out = sampler.save(tmp_path / "agent.safetensors"), tmp_path / "report.html"
    for arguments in ((tmp_path / "studies.db", "--agent", path), (path,)):
        run(*arguments, "--out", out)
        text = out.read_text(encoding="utf8")
        assert "These are no recommendations" in text and "policies proposed 3 of 3 trials" in text
        rows = re.findall(r"<tr><td>(rate=[^<]*)</td><td>([^<]*)</td><td>([^<]*)</td></tr>", text)
        assert rows and all((tried == "not tried") == (values == "rate") for _, tried, values in rows)
