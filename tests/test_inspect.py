"""What `transfernas inspect` says of an agent's file."""

import json
from datetime import datetime
from pathlib import Path

import optuna
import pytest
from typer.testing import CliRunner

from agents import NEXT_PROBLEMS
from programs import run_without
from searchers import CONFIG, FAST, PROBLEMS, play
from transfernas import Agent, Choice, Problem, Range, SearchSpace
from transfernas.checkpoint.snapshot import Snapshot, write_snapshot
from transfernas.cli.app import app
from transfernas.cli.inspection import range_of
from transfernas.define_by_run.search import DefineByRunSearch
from transfernas.learning.learner import new_learner
from transfernas.spaces.domain import NumericDomain


def shown(*arguments: object, code: int = 0) -> str:
    result = CliRunner(env={"COLUMNS": "200"}).invoke(app, ["inspect", *map(str, arguments)])
    assert result.exit_code == code, result.output
    return result.output


@pytest.fixture(scope="module")
def path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    agent = Agent(PROBLEMS, FAST.with_changes({"rule.entropy_weight": 0.25}), seed=7)
    play(agent, 12)
    agent.ask()
    return agent.save(tmp_path_factory.mktemp("agent") / "agent.safetensors")


@pytest.mark.thorough
def test_it_says_what_the_agent_learned_from_and_knows(path: Path) -> None:
    found = shown(path)
    agent = Agent.load(path)
    vocabulary = agent.learner.vocabulary
    assert f"{path}: an agent, saved 20" in found and ", seed 7\n" in found
    assert "Searches now: 12 trials told, 1 open" in found
    assert f"Knows {len(vocabulary.states) - 1} states and {len(vocabulary.tasks)} task" in found
    assert (
        "Hyperparameters: TrainingConfig() with network.embedding_size=4" in found
        and "rule.entropy_weight=0.25" in found
    )
    rows = [" ".join(line.replace("│", " ").split()) for line in found.splitlines()]
    for space, task, trials in agent.provenance:
        assert any(row.startswith(f"{space} {task} {trials} ") and 0 < int(row.split()[-2]) <= trials for row in rows)
    for problem in PROBLEMS:
        best = agent.best(problem)
        assert best is not None and f"of {problem.space.size} configurations, best reward {best.reward:.5g}\n" in found
    assert any(row.startswith("width 8, 16, 32, 64, conditional ") for row in rows)
    assert "A reward is higher for better trials" in found


@pytest.mark.thorough
def test_a_transferred_agent_has_two_policies_and_a_past(path: Path, tmp_path: Path) -> None:
    agent = Agent.load(path)
    moved = agent.transfer_to(NEXT_PROBLEMS, config=agent.config)
    found = shown(moved.save(tmp_path / "moved.safetensors"))
    assert "2 policies each: transferred and new" in found and "Searches now: 0 trials told, 0 open" in found
    rows = [" ".join(line.replace("│", " ").split()) for line in found.splitlines()]
    for space, task, trials in agent.provenance:
        assert any(row.startswith(f"{space} {task} {trials} ") and 0 < int(row.split()[-2]) <= trials for row in rows)
    near = {each.task: each for each in moved.beliefs(moved.problems[0]).likeness}
    assert near and near.keys() == {"one", "two"}
    for task, its in near.items():
        assert any(row.startswith(f"{task} ") and f" {its.cosine:z.2f} " in row for row in rows)


def test_a_likeness_is_not_told_before_the_task_has_left_its_start(path: Path, tmp_path: Path) -> None:
    moved = Agent.load(path).transfer_to([Problem(PROBLEMS[0].space, "three")])
    saved = moved.save(tmp_path / "moved.safetensors")
    rows = [" ".join(line.replace("│", " ").split()) for line in shown(saved).splitlines()]
    assert sum("too early" in row and row.startswith(("one left", "two right")) for row in rows) == 2
    assert all(each["too_early"] for each in json.loads(shown(saved, "--json"))["problems"][0]["likeness"])


def test_it_says_how_numbers_count(tmp_path: Path) -> None:
    search, rate = DefineByRunSearch("s", "t", FAST, seed=0), NumericDomain(1e-3, 1.0, log=True)
    for number, value in enumerate((0.5, 0.501, 0.9)):
        search.tell(number, {"rate": (rate, value)}, value)
    agent = search.agent()
    assert agent is not None
    found = shown(agent.save(tmp_path / "search.safetensors"))
    assert "3 trials of 12 configurations (a part of a range counts as one value), best reward 0.9" in found
    assert "Trials whose numbers lie in the same parts of all ranges count once." in found


def test_it_says_what_is_known_of_anothers_problems(path: Path, tmp_path: Path) -> None:
    other = Agent(NEXT_PROBLEMS, FAST).save(tmp_path / "other.safetensors")
    expected = str(Agent.load(path).transfer_to(NEXT_PROBLEMS).transfer_report)
    assert f"Of {other}:\n{expected}\n" in shown(path, "--against", other)


def test_programs_get_the_same_as_json(path: Path, tmp_path: Path) -> None:
    agent, other = Agent.load(path), Agent(NEXT_PROBLEMS, FAST).save(tmp_path / "other.safetensors")
    found = json.loads(shown(path, "--against", other, "--json"))
    assert (found["file"], found["seed"], found["trials"], found["open_trials"]) == (str(path), 7, 12, 1)
    assert datetime.fromisoformat(found["saved"]).timestamp() == int(path.stat().st_mtime)
    assert [(one["space"], one["task"], one["trials"]) for one in found["learned_from"]] == list(agent.provenance)
    for problem, one in zip(PROBLEMS, found["problems"], strict=True):
        best = agent.best(problem)
        assert best is not None and one["best_reward"] == best.reward
        assert [each["name"] for each in one["parameters"]] == [choice.name for choice in problem.space.choices]
        beliefs = agent.beliefs(problem, draws=1)
        assert [each["importance"] for each in one["parameters"]] == [each.importance for each in beliefs.parameters]
    assert found["configuration_differs"]["in"]["rule.entropy_weight"] == 0.25
    assert found["against"]["new_states"] == ["drop"] and sum(found["bytes"].values()) == path.stat().st_size


@pytest.mark.thorough
def test_it_counts_one_thing_as_one(tmp_path: Path) -> None:
    agent = Agent([Problem(SearchSpace("s", [Choice("x", (1,))]), "t")], FAST)
    agent.learn_from([(agent.problems[0], {"x": 1}, 2.0)])
    found = shown(agent.save(tmp_path / "one.safetensors"))
    assert "Searches now: 1 trial told, 0 open" in found and "Knows 1 state and 1 task by name\n" in found
    assert "Task t, space s: 1 trial of 1 configuration, best reward 2\n" in found


def test_tables_fit_a_terminal_of_80_columns(tmp_path: Path) -> None:
    """A long name is cut; a table is no wider than the terminal."""
    long = Problem(SearchSpace("s" * 60, [Choice("x" * 90, tuple(range(40))), Choice("y", ("a" * 70, "b"))]), "t" * 60)
    path = Agent([long], FAST).save(tmp_path / "long.safetensors")
    result = CliRunner(env={"COLUMNS": "80"}).invoke(app, ["inspect", str(path)])
    assert max(len(line) for line in result.output.splitlines() if line[:1] in "┏┡│└") <= 80


@pytest.mark.thorough
def test_two_files_are_compared_without_optuna(path: Path, tmp_path: Path) -> None:
    other = Agent(NEXT_PROBLEMS, FAST).save(tmp_path / "other.safetensors")
    done = run_without(
        ("optuna", "matplotlib"),
        f"from transfernas.cli.app import app; app(['inspect', {str(path)!r}, '--against', {str(other)!r}])",
        tmp_path,
    )
    assert done.returncode == 0 and f"Of {other}:" in done.stdout, done.stderr


def test_a_range_that_the_agent_does_not_know_is_explained_once(path: Path, tmp_path: Path) -> None:
    search = DefineByRunSearch("s", "t", FAST, seed=0)
    rate = NumericDomain(2e-4, 0.1, log=True)
    search.tell(0, {"rate": (rate, 0.003), "drop": (rate, 0.02)}, 1.0)
    agent = search.agent()
    assert agent is not None
    found = " ".join(shown(agent.save(tmp_path / "search.safetensors")).split())
    assert found.count("about 0.000177828 to 0.1 (log), 11 bins") == 2 and found.count("About: an agent keeps") == 1
    assert "About:" not in shown(path)


def test_a_range_is_said_in_the_units_of_its_parameter() -> None:
    rates = NumericDomain(1e-4, 1e-1, log=True).actions
    assert range_of(Choice("rate", rates), parts=True) == "about 0.0001 to 0.1 (log), 12 bins"
    for (low, high, integer), words in (
        ((5, 30, True), "about 4 to 30, 13 bins"),
        ((1, 20, True), "about 0 to 20, 10 bins"),
        ((0.3, 1.0, False), "about 0.25 to 1, 12 bins"),
    ):
        bins = NumericDomain(low, high, integer=integer).actions
        assert range_of(Choice("number", bins), parts=True) == words
    assert range_of(Choice("size", (8, 16, 32, 64, 128)), parts=False) == "8 to 128 (log), 5 values"
    assert range_of(Choice("units", tuple(range(1, 12))), parts=True) == "1 to 11, 11 values"
    assert range_of(Choice("act", ("relu", "tanh", None)), parts=True) == "relu, tanh, None"
    assert range_of(Choice("drop", (0.0, 0.5)), parts=False) == "0.0, 0.5"
    ranges = (Range(1e-5, 0.5, log=True), Range(16, 500), Range(0, 500, step=5), Range(1, 3))
    said = ["1e-05 to 0.5 (log)", "16 to 500 (whole)", "0 to 500 in steps of 5 (whole)", "1, 2, 3"]
    assert [range_of(Choice("x", each), parts=False) for each in ranges] == said


@pytest.mark.thorough
def test_it_knows_the_papers_agent_and_replicas_of_experiments(tmp_path: Path) -> None:
    learner = new_learner(PROBLEMS, CONFIG, 3, replicas=4)
    file = write_snapshot(tmp_path / "replicas.safetensors", Snapshot(learner, "replicas", 0, (), ()))
    found = shown(file)
    assert "4 replicas of an experiment" in found and "TrainingConfig.paper() with " in found


def test_what_is_shown_is_explained(tmp_path: Path) -> None:
    agent = Agent(PROBLEMS, FAST, seed=7)
    play(agent, 24)
    said = " ".join(shown(agent.save(tmp_path / "agent.safetensors")).split())
    assert "Importances: which parameters tell good trials from bad among those that ran" in said
    assert "Agreement: of the values that were good in both." in said


@pytest.mark.thorough
def test_a_path_that_is_no_agent_says_what_to_do(tmp_path: Path) -> None:
    assert "name an agent's file, as sampler.save" in shown(tmp_path / "nothing", code=1)
    study = optuna.create_study(storage=f"sqlite:///{tmp_path / 'mine.db'}")
    study.add_trial(optuna.trial.create_trial(value=1.0))
    backend = optuna.storages.journal.JournalFileBackend(str(tmp_path / "mine.log"))
    optuna.create_study(storage=optuna.storages.JournalStorage(backend))
    for name in ("mine.db", "mine.log"):
        said, path = shown(tmp_path / name, code=1), tmp_path / name
        assert f"{path} holds studies, not an agent: `transfernas report {path}` shows them" in said
        assert f"pretrain --storage {path} --out" in said


def test_help_says_which_commands_need_an_extra() -> None:
    said = CliRunner().invoke(app, ["--help"]).output
    commands = [line.split()[0] for line in said.splitlines() if " [bench] " in line and line.startswith("  ")]
    assert {"demo", "compare", "reproduce", "data"} <= {*commands}


def test_a_file_that_is_none_or_not_there_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "text").write_text("no agent", encoding="utf8")
    for name in ("text", "nothing"):
        said = shown(tmp_path / name, code=1)
        assert said.startswith("Error: ") and said.count("\n") == 1 and str(tmp_path / name) in said
