"""What `transfernas inspect` says of an agent's file."""

from pathlib import Path

import pytest
from typer.testing import CliRunner

from test_agent import NEXT_PROBLEMS
from test_searchers import CONFIG, FAST, PROBLEMS, play
from transfernas import Agent
from transfernas.checkpoint.snapshot import Snapshot, write_snapshot
from transfernas.cli.app import app
from transfernas.learning.learner import new_learner


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
    vocabulary = agent._learner.vocabulary
    assert f"{path}: an agent, seed 7; 12 trials told, 1 open" in found
    assert f"Knows {len(vocabulary.states) - 1} states, {len(vocabulary.actions)} actions" in found
    assert (
        "Hyperparameters: TrainingConfig() with network.embedding_size=4" in found
        and "rule.entropy_weight=0.25" in found
    )
    rows = [" ".join(line.replace("│", " ").split()) for line in found.splitlines()]
    for space, task, trials in agent.provenance:
        assert any(row.startswith(f"{space} {task} {trials} ") and 0 < int(row.split()[-1]) <= trials for row in rows)
    for problem in PROBLEMS:
        assert f"{problem.space.name} {problem.task} {len(problem.space.choices)} {problem.space.size}" in rows


def test_a_transferred_agent_has_two_policies_and_a_past(path: Path, tmp_path: Path) -> None:
    agent = Agent.load(path)
    moved = agent.transfer_to(NEXT_PROBLEMS, config=agent.config)
    found = shown(moved.save(tmp_path / "moved.safetensors"))
    assert "2 policies each: transferred and new" in found and "0 trials told, 0 open" in found
    rows = [" ".join(line.replace("│", " ").split()) for line in found.splitlines()]
    for space, task, trials in agent.provenance:
        assert any(row.startswith(f"{space} {task} {trials} ") and 0 < int(row.split()[-1]) <= trials for row in rows)


def test_it_says_what_is_known_of_anothers_problems(path: Path, tmp_path: Path) -> None:
    other = Agent(NEXT_PROBLEMS, FAST).save(tmp_path / "other.safetensors")
    expected = str(Agent.load(path).transfer_to(NEXT_PROBLEMS).transfer_report)
    assert f"Of {other}:\n{expected}\n" in shown(path, "--against", other)


@pytest.mark.thorough
def test_it_knows_the_papers_agent_and_replicas_of_experiments(tmp_path: Path) -> None:
    learner = new_learner(PROBLEMS, CONFIG, 3, replicas=4)
    file = write_snapshot(tmp_path / "replicas.safetensors", Snapshot(learner, "replicas", 0, (), ()))
    found = shown(file)
    assert "4 replicas of an experiment" in found and "TrainingConfig.paper() with " in found


def test_a_file_that_is_none_or_not_there_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "text").write_text("no agent", encoding="utf8")
    for name in ("text", "nothing"):
        shown(tmp_path / name, code=1)
