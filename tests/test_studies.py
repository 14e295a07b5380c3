"""Agents from old studies, by the library and by the command line."""

import shutil
import signal
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import optuna
import pytest
from optuna.trial import TrialState
from typer.testing import CliRunner

from searchers import FAST
from studies import objective
from transfernas import Agent, Choice, Problem, Range, Reinforce, SearchSpace, TrainingConfig
from transfernas.cli.app import app
from transfernas.integrations.optuna import TransferSampler
from transfernas.integrations.studies import learn_from_studies, problem_of
from transfernas.learning.steps import LearnerState
from transfernas.processes.runtime import run
from transfernas.spaces.vocabulary import transfer_report

pytestmark = pytest.mark.usefixtures("quiet")


def shifted(at: float) -> "optuna.study.study.ObjectiveFuncType":
    """Two parameters whose best values differ a little from study to study."""

    def found(trial: optuna.Trial) -> float:
        x = trial.suggest_float("x", 0.0, 1.0)
        kind = trial.suggest_categorical("kind", ("a", "b", "c", "d"))
        return (x - at) ** 2 + 0.2 * (kind != "c")

    return found


@pytest.fixture(scope="module")
def url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A database of three studies by two samplers, one of them maximised, with failures and a running trial."""
    before = optuna.logging.get_verbosity()
    optuna.logging.set_verbosity(optuna.logging.CRITICAL)
    url = f"sqlite:///{tmp_path_factory.mktemp('database') / 'studies.db'}"
    for seed, (name, sampler) in enumerate(
        (
            ("first", optuna.samplers.RandomSampler(seed=0)),
            ("second", optuna.samplers.TPESampler(seed=1)),
            ("third", optuna.samplers.RandomSampler(seed=2)),
        )
    ):
        study = optuna.create_study(
            storage=url, study_name=name, sampler=sampler, direction="maximize" if name == "third" else "minimize"
        )
        sign, minimised = (-1.0 if name == "third" else 1.0), shifted(0.6 + 0.05 * seed)
        study.optimize(lambda trial, sign=sign, f=minimised: sign * f(trial), n_trials=40)  # type: ignore[misc]
    study.add_trial(optuna.trial.create_trial(state=TrialState.FAIL))
    study.ask()
    optuna.create_study(storage=url, study_name="of two", directions=["minimize", "maximize"])
    optuna.logging.set_verbosity(before)
    yield url


def studies_of(url: str, *names: str) -> list[optuna.Study]:
    return [optuna.load_study(study_name=name, storage=url) for name in names or ("first", "second", "third")]


@pytest.mark.thorough
def test_the_order_of_the_studies_changes_no_first_configuration(url: str) -> None:
    """The trials are mixed in another way. The archive has the studies in their order, the last one at the end."""
    found = list[list[dict[str, object]]]()
    for names in (("first", "second", "third"), ("third", "first", "second")):
        agent, _ = learn_from_studies(None, studies_of(url, *names), config=FAST)
        assert [entry.task for entry in agent.learner.archive] == list(names)
        study = optuna.create_study(sampler=TransferSampler(agent, seed=0))
        study.optimize(shifted(0.6), n_trials=2)
        found.append([trial.params for trial in study.trials])
    assert found[0] == found[1]


@pytest.mark.thorough
def test_an_agent_learns_from_all_studies_and_starts_the_next_ahead(url: str) -> None:
    agent, report = learn_from_studies(None, studies_of(url))
    assert agent.learner.learned == report.trials == 120
    assert sorted(agent.provenance) == [("optuna", name, 40) for name in ("first", "second", "third")]
    assert "Learned from 120 trials of 3 studies" in str(report)
    third = report.studies[2]
    assert (third.trials, third.failed, third.unfinished, third.before) == (40, 1, 1, 0)
    assert third.best == studies_of(url, "third")[0].best_value
    assert report.spaces == {"optuna": {"x": 16, "kind": 4}}
    values = {}
    for name in ("transferred", "scratch"):
        found = []
        for seed in range(8):
            sampler = TransferSampler(agent if name == "transferred" else None, seed=seed)
            study = optuna.create_study(study_name="next", sampler=sampler)
            study.optimize(shifted(0.72), n_trials=5)
            found.append(study.best_value)
        values[name] = np.median(found)
    assert values["transferred"] < 0.5 * values["scratch"], values


@pytest.mark.thorough
def test_no_trial_is_learned_from_twice(url: str, tmp_path: Path) -> None:
    shutil.copy(url.removeprefix("sqlite:///"), tmp_path / "copy.db")
    url = f"sqlite:///{tmp_path / 'copy.db'}"
    agent, _ = learn_from_studies(None, studies_of(url, "first"))
    again, report = learn_from_studies(agent, studies_of(url))
    assert [study.before for study in report.studies] == [40, 0, 0] and report.trials == 80
    assert again.learner.learned == 120 and agent.learner.learned == 40
    with pytest.raises(ValueError, match="there is nothing to learn from in 3 studies"):
        learn_from_studies(again, studies_of(url))
    sampler = TransferSampler(again, seed=0)
    study = studies_of(url, "first")[0]
    study.sampler = sampler
    study.optimize(shifted(0.6), n_trials=2)
    assert sampler.agent.learner.learned == 2


@pytest.mark.thorough
def test_the_same_seed_gives_the_same_agent(url: str) -> None:
    first, second = (learn_from_studies(None, studies_of(url), seed=5)[0] for _ in range(2))
    np.testing.assert_array_equal(first.learner.state.policy.action, second.learner.state.policy.action)
    other, _ = learn_from_studies(None, studies_of(url), seed=6)
    assert (np.asarray(other.learner.state.policy.action) != np.asarray(first.learner.state.policy.action)).any()


@pytest.mark.thorough
def test_spaces_that_differ_are_versions_of_one_or_several(url: str) -> None:
    wider = optuna.create_study(study_name="wider")
    wider.optimize(lambda trial: shifted(0.6)(trial) + trial.suggest_float("y", 0, 1), n_trials=20)  # type: ignore[operator]
    agent, report = learn_from_studies(None, [*studies_of(url), wider], task="one task")
    (problem,) = agent.problems
    assert problem.name == ("optuna", "one task") and list(report.spaces["optuna"]) == ["x", "kind", "y"]
    agent, report = learn_from_studies(
        None, [*studies_of(url), wider], space=lambda study: "wide" if study.study_name == "wider" else "narrow"
    )
    assert set(report.spaces) == {"wide", "narrow"} and len(agent.problems) == 4


@pytest.mark.thorough
def test_names_can_change_and_what_was_constant_be_said(url: str, heard: list[str]) -> None:
    wider = optuna.create_study(study_name="wider")
    wider.optimize(
        lambda trial: (trial.suggest_float("rate", 0, 1) - 0.6) ** 2 + trial.suggest_float("dropout", 0, 0.5),
        n_trials=20,
    )
    agent, report = learn_from_studies(
        None, [*studies_of(url), wider], rename={"x": "rate"}, back_fill={"dropout": 0.0}, task="one"
    )
    assert list(report.spaces["optuna"]) == ["rate", "kind", "dropout"]
    heard.clear()
    learn_from_studies(None, [wider], back_fill={"dropout": 0.0})
    assert heard == ["back_fill is not used for 'dropout': all of the studies have this parameter"]
    top = agent.top()[0].config
    assert abs(float(str(top["rate"])) - 0.65) < 0.15 and str(top["dropout"]) == "about 0 to 0.0312"
    with pytest.raises(ValueError, match="back_fill names 'drop', which is no parameter of any of the studies"):
        learn_from_studies(None, [wider], back_fill={"drop": 0.0})
    with pytest.raises(ValueError, match="has two parameters that become 'rate'"):
        learn_from_studies(None, [wider], rename={"dropout": "rate"})
    with pytest.raises(TypeError, match=r"rename is a mapping from old names to new names, .* not \['a'\]"):
        learn_from_studies(None, [wider], rename=["a"])  # type: ignore[arg-type]
    with pytest.raises(TypeError, match=r"back_fill is a mapping from names to values, .* not 'ab'"):
        learn_from_studies(None, [wider], back_fill="ab")  # type: ignore[arg-type]


@pytest.mark.thorough
def test_conditional_spaces_are_learned_from() -> None:
    study = optuna.create_study(sampler=optuna.samplers.RandomSampler(seed=0))
    study.optimize(objective, n_trials=80)
    agent, _ = learn_from_studies(None, [study])
    (problem,) = agent.problems
    assert {choice.name for choice in problem.space.choices if choice.when is not None} == {
        "momentum",
        "units 1",
        "units 2",
    }
    assert problem_of(study, task=lambda study: study.study_name) == problem
    for trial in agent.ask(5):
        problem.space.validate(trial.config)


@pytest.mark.thorough
def test_the_papers_agent_learns_from_studies_too(url: str) -> None:
    agent, _ = learn_from_studies(None, studies_of(url), config=TrainingConfig.paper().with_changes({"queue.size": 5}))
    assert agent.learner.learned == 120 and isinstance(agent.config.rule, Reinforce)
    best = agent.top(agent.problems[1])[0]
    assert best.reward == pytest.approx(-studies_of(url, "second")[0].best_value)


def test_wrong_studies_are_told(url: str) -> None:
    with pytest.raises(ValueError, match="study 'of two' has 2 objectives"):
        learn_from_studies(None, studies_of(url, "of two"))
    with pytest.raises(ValueError, match="nothing to learn from in 0 studies"):
        learn_from_studies(None, [])
    with pytest.raises(ValueError, match="named by non-empty strings, not ''"):
        learn_from_studies(None, studies_of(url), task="")


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        (
            lambda url: ["digits"],
            "as in [optuna.load_study(study_name='digits', storage='sqlite:///studies.db')]; 'digits'",
        ),
        (
            lambda url: url,
            "as in [optuna.load_study(study_name='digits', storage='sqlite:///studies.db')], not 'sqlite:",
        ),
        (lambda url: None, "storage='sqlite:///studies.db')], not None"),
        (lambda url: studies_of(url, "first")[0], "as in [study], not the single study 'first'"),
        (lambda url: optuna.get_all_study_summaries(url), "StudySummary object"),
    ],
)
def test_a_list_without_studies_is_told(wrong: Callable[[str], Any], message: str, url: str) -> None:
    with pytest.raises(TypeError) as raised:
        learn_from_studies(None, wrong(url))
    assert "studies is a list of studies, as in [" in str(raised.value) and message in str(raised.value)


def test_a_wrong_config_of_an_agent_from_studies_is_told(url: str) -> None:
    with pytest.raises(TypeError, match="config must be a TrainingConfig, such as .*, not {'a': 1}"):
        learn_from_studies(None, studies_of(url), config={"a": 1})  # type: ignore[arg-type]


def command(*arguments: object, code: int = 0) -> str:
    result = CliRunner(env={"COLUMNS": "200"}).invoke(app, list(map(str, arguments)))
    assert result.exit_code == code, result.output
    return result.output


@pytest.mark.thorough
def test_the_command_trains_an_agent_and_inspect_shows_it(url: str, tmp_path: Path) -> None:
    path = tmp_path / "agent.safetensors"
    found = command("pretrain", "--storage", url, "--out", path, "--study", "first", "--study", "third")
    assert "Learned from 80 trials of 2 studies" in found and f"The agent is in {path}" in found
    expected, _ = learn_from_studies(None, studies_of(url, "first", "third"))
    agent = Agent.load(path)
    np.testing.assert_array_equal(agent.learner.state.policy.action, expected.learner.state.policy.action)
    found = command("pretrain", "--storage", url, "--out", path, "--from", path)
    assert "Learned from 40 trials of 3 studies" in found
    assert "Left out: study 'of two' has several objectives; an agent learns from one" in found
    agent = Agent.load(path)
    found = command("inspect", path, "--against", "second", "--storage", url)
    assert str(transfer_report(agent.learner.vocabulary, [problem_of(studies_of(url, "second")[0])])) in found


def test_the_command_renames_and_fills(url: str, tmp_path: Path) -> None:
    path = tmp_path / "agent.safetensors"
    arguments = ("--study", "first", "--rename", "x=rate", "--task", "digits", "--space", "mlp")
    command("pretrain", "--storage", url, "--out", path, *arguments)
    agent = Agent.load(path)
    assert [problem.name for problem in agent.problems] == [("mlp", "digits")]
    assert [choice.name for choice in agent.problems[0].space.choices] == ["rate", "kind"]


@pytest.mark.thorough
@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--storage", "sqlite:///nowhere.db"), "there is no file nowhere.db"),
        (("--storage", "nowhere.log"), "'nowhere.log' is neither the URL of a database"),
        (("--study", "fourth"), "there is no study 'fourth'"),
        (("--study", "of two"), "study 'of two' has 2 objectives"),
        (("--rename", "a:b"), "'a:b' is not of the form OLD=NEW, as in --rename \"lr=learning rate\""),
        (("--back-fill", "y"), "'y' is not of the form NAME=VALUE, as in --back-fill \"dropout=0.0\""),
        (("--back-fill", "y=0"), "back_fill names 'y'"),
        (("--back-fill", "knid=a"), "back_fill names 'knid', which is no parameter of any of the studies; they have"),
        (("--back-fill", "knid=a"), "Did you mean 'kind'?"),
        (
            ("--back-fill", "kind=zzz"),
            "back_fill gives 'kind' a value that it cannot have: 'zzz' is not one of the values",
        ),
        (("--rename", "kidn=sort"), "rename names 'kidn', which is no parameter of any of the studies; they have"),
        (("--rename", "sort=kind"), "rename names 'sort', which is no parameter of any of the studies"),
        (("--space", ""), "named by non-empty strings, not ''"),
        (("--from", "nowhere.safetensors"), "nowhere.safetensors"),
        (("--out", "."), ". is a folder; give the path of a file"),
    ],
)
def test_wrong_commands_are_told(url: str, tmp_path: Path, arguments: tuple[str, ...], message: str) -> None:
    path = tmp_path / "agent.safetensors"
    storage = () if "--storage" in arguments else ("--storage", url)
    result = CliRunner(env={"COLUMNS": "200"}).invoke(app, ["pretrain", "--out", str(path), *storage, *arguments])
    assert result.exit_code in (1, 2) and message in result.output, result.output
    assert not path.exists()


@pytest.mark.thorough
def test_a_month_without_new_trials_is_no_error(tmp_path: Path) -> None:
    """A storage or a study without a known trial is one, because its name may be wrong."""
    storage, path, other = f"sqlite:///{tmp_path / 'studies.db'}", tmp_path / "agent.safetensors", tmp_path / "new"
    study = optuna.create_study(storage=storage, study_name="One", sampler=optuna.samplers.RandomSampler(seed=0))
    study.optimize(shifted(0.5), n_trials=5)
    command("pretrain", "--storage", storage, "--out", path)
    study.add_trial(optuna.trial.create_trial(state=TrialState.FAIL))
    before, time = path.read_bytes(), path.stat().st_mtime_ns
    monthly = ("pretrain", "--storage", storage, "--from", path, "--back-fill", "x=0.5")
    found = command(*monthly, "--out", path)
    assert found.replace("\n", "") == (
        "There is nothing to learn from in study 'One': no new finished trial (5 learned from before, 1 failed); to "
        f"learn from failed trials, say on_failure='worst'. {path} is as it was"
    )
    assert path.read_bytes() == before and path.stat().st_mtime_ns == time
    assert f"{other} has the agent of {path} as it was" in command(*monthly, "--out", other).replace("\n", "")
    assert Agent.load(other).processed == Agent.load(path).processed

    wrong = f"sqlite:///{tmp_path / 'wrong.db'}"
    for name in ("fails", "waits"):
        optuna.create_study(storage=wrong, study_name=name)
    for copied in (study, study):  # of a copy, no trial counts as known
        optuna.create_study(storage=wrong).add_trials([copied.trials[-1]])
    found = command("pretrain", "--storage", wrong, "--from", path, "--out", path, code=1)
    assert found.startswith("Error: there is nothing to learn from in 4 studies: no new finished trial")
    assert "there is no study 'two'" in command(*monthly, "--study", "two", "--out", path, code=1)
    assert path.read_bytes() == before


def test_no_agent_is_lost_to_another(url: str, tmp_path: Path) -> None:
    path, other = tmp_path / "agent.safetensors", tmp_path / "other.safetensors"
    arguments = ("pretrain", "--storage", url, "--study", "first", "--out", path)
    command(*arguments)
    shutil.copy(path, other)
    before = path.read_bytes()
    found = " ".join(command(*arguments, code=2).replace("│", "").split())
    assert f"{path} exists; add --from {path} to continue it, or --overwrite to replace it" in found
    assert "exists; choose another file, or --overwrite" in command(*arguments, "--from", other, code=2)
    (tmp_path / "notes").write_text("not an agent")
    assert "exists; choose another file" in command(*arguments[:-1], tmp_path / "notes", code=2)
    database = url.removeprefix("sqlite:///")
    found = command(*arguments[:-1], database, "--overwrite", code=2)
    assert "holds studies, which an agent would replace" in " ".join(found.replace("│", "").split())
    assert path.read_bytes() == before
    command(*arguments, "--overwrite", "--seed", "1")
    assert path.read_bytes() != before


def test_a_file_that_is_no_database_is_told_in_a_line(tmp_path: Path) -> None:
    other = tmp_path / "notes.db"
    other.write_text("no database")
    found = command("pretrain", "--storage", f"sqlite:///{other}", "--out", tmp_path / "agent.safetensors", code=1)
    assert found.endswith("notes.db cannot be read: file is not a database\n") and "SQL:" not in found


def test_what_says_nothing_of_an_agent_is_told(url: str, tmp_path: Path) -> None:
    for arguments in (("--storage", url), ("--space", "mlp"), ("--against", "first", "--task", "digits")):
        found = command("inspect", tmp_path / "agent.safetensors", *arguments, code=2)
        assert "is about a study: --against STUDY --storage URL" in found


def test_what_failures_say_is_checked(url: str) -> None:
    with pytest.raises(ValueError, match='on_failure must be "ignore" or "worst", not \'skip\''):
        learn_from_studies(None, studies_of(url), on_failure="skip")  # type: ignore[arg-type]


def test_pruned_trials_are_counted() -> None:
    def objective(trial: optuna.Trial) -> float:
        trial.report(trial.suggest_float("x", 0.0, 1.0), step=0)
        if trial.number >= 3:
            raise optuna.TrialPruned
        return 0.5

    study = optuna.create_study(study_name="one")
    study.optimize(objective, n_trials=5)
    _, report = learn_from_studies(None, [study], config=FAST)
    assert report.studies[0].trials == 5 and report.studies[0].pruned == 2
    assert "task one: 5 trials, 2 of them pruned, best 0.5" in str(report)


def test_a_journal_is_a_storage_too(tmp_path: Path) -> None:
    file = tmp_path / "journal.log"
    storage = optuna.storages.JournalStorage(optuna.storages.journal.JournalFileBackend(str(file)))
    optuna.create_study(storage=storage, study_name="one").optimize(shifted(0.5), n_trials=5)
    assert "Learned from 5 trials" in command("pretrain", "--storage", file, "--out", tmp_path / "agent.safetensors")


@pytest.mark.thorough
def test_an_interrupt_keeps_what_was_learned(url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    calls = list[int]()

    def interrupted(*arguments: Any) -> LearnerState:
        calls.append(len(calls))
        if len(calls) == 7:
            signal.raise_signal(signal.SIGINT)
        return run(*arguments)

    monkeypatch.setattr("transfernas.learning.studying.run", interrupted)
    path, before = tmp_path / "agent.safetensors", signal.getsignal(signal.SIGINT)
    found = command("pretrain", "--storage", url, "--out", path, code=130)
    assert "Learned from 17 trials of 3 studies" in found  # 120 in 50 steps
    assert f"Interrupted: go on with --from {path} --out {path}" in found.replace("\n", "")
    assert signal.getsignal(signal.SIGINT) == before and Agent.load(path).learner.learned == 17
    found = command("pretrain", "--storage", url, "--out", path, "--from", path)
    assert "Learned from 103 trials of 3 studies" in found and Agent.load(path).learner.learned == 120


def weighted(params: Mapping[str, Any]) -> float:
    """One of two categories and one of four are best by far, and six numbers matter little."""
    away = {31: 0.6, 63: 0.4, 127: 0.2, 255: 0.0}[params["mb"]] + 0.3 * abs(float(np.log10(params["lr"] / 0.1)))
    return float((params["cw"] == "balanced") * 1.0 + away + 0.02 * sum(params[f"z{at}"] for at in range(6)))


def weighted_trial(trial: optuna.Trial) -> float:
    trial.suggest_float("lr", 1e-3, 0.3, log=True)
    trial.suggest_categorical("cw", [None, "balanced"])
    trial.suggest_categorical("mb", [31, 63, 127, 255])
    for at in range(6):
        trial.suggest_float(f"z{at}", 0, 1)
    return weighted(trial.params)


def studied(count: int, seed: int) -> optuna.Study:
    """Returns a study of so many trials by TPE."""
    study = optuna.create_study(study_name="s", sampler=optuna.samplers.TPESampler(seed=seed))
    study.optimize(weighted_trial, n_trials=count)
    return study


def continued(count: int, seed: int, sampler: optuna.samplers.BaseSampler) -> list[float]:
    """Returns the values of twenty trials after those of TPE's."""
    study = studied(count, seed)
    study.sampler = sampler
    study.optimize(weighted_trial, n_trials=20)
    return [trial.value for trial in study.trials[count:]]  # type: ignore[misc]


def continued_by_agent(count: int, seed: int) -> list[float]:
    """Returns the values of twenty trials of an agent that learned from those of TPE's."""
    numbers = [Choice(f"z{at}", Range(0.0, 1.0)) for at in range(6)]
    categories = [Choice("cw", ("none", "balanced")), Choice("mb", (31, 63, 127, 255))]
    problem = Problem(SearchSpace("s", [Choice("lr", Range(1e-3, 0.3, log=True)), *categories, *numbers]), "t")
    agent, values = Agent([problem], seed=seed), list[float]()
    trials = studied(count, seed).trials
    agent.learn_from([(problem, one.params | {"cw": one.params["cw"] or "none"}, -one.value) for one in trials])  # type: ignore[operator]
    for _ in range(20):
        trial = agent.ask()
        values.append(weighted(trial.config))
        agent.tell(trial, -values[-1])
    return values


@pytest.mark.slow
@pytest.mark.parametrize("count", [60, 200])
def test_a_study_of_tpes_is_continued(count: int) -> None:
    """The next trials are as good as those that TPE would have made, and the best of them is better."""
    seeds = range(6)
    tpe = np.array([continued(count, seed, optuna.samplers.TPESampler(seed=seed + 100)) for seed in seeds])
    for values in (
        np.array([continued(count, seed, TransferSampler(seed=seed)) for seed in seeds]),
        np.array([continued_by_agent(count, seed) for seed in seeds]),
    ):
        assert values.mean() <= 1.25 * tpe.mean() and values.min(axis=1).mean() < tpe.min(axis=1).mean()


BAD = {"rbf": 0.0, "poly": 1.0, "sigmoid": 2.0}


def svm(shift: float) -> "optuna.study.study.ObjectiveFuncType":
    """Of three kernels one is best by far; where the numbers are best differs from study to study."""

    def found(trial: optuna.Trial) -> float:
        c = trial.suggest_float("C", 1e-3, 1e3, log=True)
        kernel = trial.suggest_categorical("kernel", list(BAD))
        gamma = trial.suggest_float("gamma", 1e-5, 10, log=True)
        return BAD[kernel] + abs(np.log10(c / 10) - shift) + abs(np.log10(gamma / 1e-2) + shift)

    return found


@pytest.mark.slow
@pytest.mark.parametrize(
    ("maker", "kernels", "value"),
    [(optuna.samplers.TPESampler, 45, 1.4), (optuna.samplers.RandomSampler, 42, 1.9)],
)
def test_old_studies_teach_whatever_made_them(
    maker: type[optuna.samplers.BaseSampler], kernels: int, value: float
) -> None:
    """On a new task an agent proposes what was good in the old ones, before anything is told; random: 20 and 4.2."""
    studies = []
    for number in range(12):
        study = optuna.create_study(study_name=f"old {number}", sampler=maker(seed=number))  # type: ignore[call-arg]
        study.optimize(svm(np.random.default_rng(number).uniform(-0.5, 0.5)), n_trials=80)
        studies.append(study)
    for seed in (5, 6):
        agent, _ = learn_from_studies(None, studies, seed=seed)
        moved = agent.transfer_to([Problem(agent.problems[0].space, "new")], seed=seed)
        configs: list[dict[str, Any]] = [dict(moved.ask().config) for _ in range(60)]
        values = [
            BAD[each["kernel"]] + abs(np.log10(each["C"] / 10)) + abs(np.log10(each["gamma"] / 1e-2))
            for each in configs
        ]
        assert sum(each["kernel"] == "rbf" for each in configs) >= kernels and np.mean(values) <= value


def net_or_tree(params: dict[str, Any], shift: float = 0.0) -> float:
    """A network is better than any tree, but its width and its layers are asked for only where it is one."""
    if params["model"] == "tree":
        model = 1.0 + abs(params["depth"] - 6) / 6
    else:
        model = abs(params["layers"] - 2) / 2 + abs(np.log2(params["width"] / 64) - shift) / 2
    return float(model + abs(np.log10(params["rate"]) + 2 + shift / 2) / 2)


def conditional(shift: float) -> "optuna.study.study.ObjectiveFuncType":
    def found(trial: optuna.Trial) -> float:
        if trial.suggest_categorical("model", ("tree", "net")) == "tree":
            trial.suggest_int("depth", 1, 12)
        else:
            trial.suggest_int("layers", 1, 6)
            trial.suggest_float("width", 4, 1024, log=True)
        trial.suggest_float("rate", 1e-5, 1, log=True)
        return net_or_tree(trial.params, shift)

    return found


@pytest.mark.slow
@pytest.mark.parametrize("maker", [optuna.samplers.TPESampler, optuna.samplers.RandomSampler])
def test_old_studies_of_a_conditional_space_teach(maker: type[optuna.samplers.BaseSampler]) -> None:
    """Random trials have a mean value of 2.3, those of TPE's studies one of 1.6."""
    studies = []
    for number in range(8):
        study = optuna.create_study(study_name=f"old {number}", sampler=maker(seed=number))  # type: ignore[call-arg]
        study.optimize(conditional(np.random.default_rng(number).uniform(-1, 1)), n_trials=60)
        studies.append(study)
    for seed in (5, 6, 7, 8, 9):
        agent, _ = learn_from_studies(None, studies, seed=seed)
        moved = agent.transfer_to([Problem(agent.problems[0].space, "new")], seed=seed)
        configs: list[dict[str, Any]] = [dict(moved.ask().config) for _ in range(60)]
        assert sum(each["model"] == "net" for each in configs) >= 45
        assert np.mean([net_or_tree(each) for each in configs]) <= 1.1
