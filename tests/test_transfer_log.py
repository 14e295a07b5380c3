"""At the first trial after a transfer an agent logs what it knows of its problems."""

import logging
from pathlib import Path

import pytest

from agents import NEXT, NEXT_PROBLEMS
from searchers import FAST, ONE, PROBLEMS, play
from transfernas import Agent, Choice, Problem, SearchSpace

OLD = SearchSpace("net", [Choice("lr", (0.1, 0.2, 0.3)), Choice("units", (1, 2))])
WIDER = SearchSpace("net", [Choice("learning rate", (0.1, 0.2, 0.4)), Choice("units", (1, 2)), Choice("drop", (0, 1))])
APART = SearchSpace("apart", [Choice("depth", (1, 2, 3))])
RENAME = {"lr": "learning rate"}


@pytest.fixture(scope="module")
def old() -> Agent:
    agent = Agent([Problem(OLD, "one"), Problem(APART, "three")], FAST, seed=0)
    tasks = [problem.task for _, problem, _ in play(agent, 8)]
    assert {"one", "three"} == {*tasks}
    return agent


@pytest.fixture
def log(caplog: pytest.LogCaptureFixture) -> pytest.LogCaptureFixture:
    """The log with the lines of all levels of the agent's logger."""
    caplog.set_level(logging.INFO, "transfernas.agent")
    return caplog


def test_the_first_trial_after_a_transfer_tells_what_is_known_and_no_other_trial(
    old: Agent, log: pytest.LogCaptureFixture
) -> None:
    old.ask()
    moved = old.transfer_to([Problem(WIDER, "two")], rename=RENAME, fill={"drop": 0})
    assert moved.learner.warm_start is not None and not log.records
    play(moved, 3)
    (line,) = log.records
    assert (line.name, line.levelno) == ("transfernas.agent", logging.INFO)
    assert line.getMessage() == (
        f"Search 'two' starts from an agent: 2 of 3 states known, task new, up to "
        f"{moved.learner.warm_start.count[0, 0]} earlier configurations, tried unless they disappoint; new: drop; "
        "values that the agent never saw: of learning rate; known, but not asked for: depth; if "
        "one is the other's new name, say rename={old: new}"
    )


def test_the_line_counts_over_all_problems(log: pytest.LogCaptureFixture) -> None:
    agent = Agent(PROBLEMS, FAST, seed=3)
    play(agent, 8)
    moved = agent.transfer_to([*NEXT_PROBLEMS, Problem(NEXT, "three")])
    assert moved.learner.warm_start is not None
    counts = moved.learner.warm_start.count[0]
    assert (counts > 0).sum() > 1
    moved.ask(3)
    (line,) = log.records
    assert line.getMessage() == (
        f"Search of 3 problems starts from an agent: 4 of 5 states known, 2 of 3 tasks known, up to {counts.sum()} "
        f"earlier configurations, tried unless they disappoint; new: drop; values that the agent never saw: of act"
        "; known, but not asked for: width; if one is the other's new name, say rename={old: new}"
    )


def test_without_earlier_configurations_the_line_says_so(log: pytest.LogCaptureFixture) -> None:
    Agent([ONE], FAST).transfer_to([ONE]).ask()
    (line,) = log.records
    assert line.getMessage() == (
        "Search 'one' starts from an agent: 3 of 3 states known, task known, no earlier configurations"
    )


def test_a_name_that_may_be_a_slip_is_a_warning(old: Agent, log: pytest.LogCaptureFixture) -> None:
    slip = SearchSpace("net", [*OLD.choices[:1], Choice("unit", (1, 2))])
    foreign = SearchSpace("other", [Choice("layers", (1, 2))])
    for space, words in (
        (slip, "did you mean 'units' by 'unit'? If it is the new name, say rename={'units': 'unit'}"),
        (foreign, "0 of 1 states known, task new, no earlier configurations; new: layers; known, but not asked for: "),
        (foreign, ". Where states have other names by now, say rename={old: new}"),
    ):
        log.clear()
        old.transfer_to([Problem(space, "two")]).ask()
        (line,) = log.records
        assert line.levelno == logging.WARNING and words in line.getMessage()
    log.clear()
    old.transfer_to([Problem(slip, "two")], rename={"units": "unit"}).ask()
    assert [line.levelno for line in log.records] == [logging.INFO]


@pytest.mark.parametrize(
    ("fill", "unused"),
    [
        ({"drop": 1}, ""),
        ({"units": 2, "drop": 1}, "units"),
        ({"learning rate": 0.1, "units": 2}, "learning rate, units"),
    ],
)
def test_a_fill_that_is_not_used_is_a_warning(
    fill: dict[str, float], unused: str, old: Agent, log: pytest.LogCaptureFixture
) -> None:
    other = Problem(APART, "four")  # whose earlier configurations have none of the choices
    old.transfer_to([Problem(WIDER, "two"), other], rename=RENAME, fill=fill).ask()
    (line,) = log.records
    told = f"; fill is not used for {unused}: all earlier configurations have their own value" in line.getMessage()
    assert (told, line.levelno) == ((True, logging.WARNING) if unused else (False, logging.INFO))


def test_a_fill_without_a_proposer_bandit_is_a_warning(old: Agent, log: pytest.LogCaptureFixture) -> None:
    config = old.config.with_changes({"transfer.bandit": None})
    old.transfer_to([Problem(WIDER, "two")], rename=RENAME, fill={"drop": 1}, config=config).ask()
    (line,) = log.records
    assert line.levelno == logging.WARNING and line.getMessage().count("fill") == 1
    assert "; fill is not used for drop: transfer.bandit=None tries no earlier configuration first" in line.getMessage()


def test_only_a_file_of_an_agent_that_never_asked_tells_the_line(
    old: Agent, log: pytest.LogCaptureFixture, tmp_path: Path
) -> None:
    path, problems = tmp_path / "agent.safetensors", [Problem(OLD, "two")]
    moved = Agent.load(old.transfer_to(problems).save(path))
    moved.ask()
    assert len(log.records) == 1
    Agent.load(moved.save(path)).ask()
    Agent.of(moved.learner).ask()  # as an agent of a search whose trials were proposed before
    Agent(problems, FAST).ask()
    assert len(log.records) == 1
