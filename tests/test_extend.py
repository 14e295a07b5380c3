"""A learning rule or a proposer bandit is a class and an entry in a table; everything else takes it as it is."""

import dataclasses
import inspect
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import jax
import jax.numpy as jnp
import optuna
import pytest

from extensions import Imitation, Turns, TurnsConfig
from programs import python_blocks
from searchers import FAST, LEFT, PROBLEMS, RIGHT, play
from transfernas import Agent, CheckpointError, Problem, TrainingConfig
from transfernas.fields import parsed
from transfernas.integrations.optuna import TransferSampler
from transfernas.integrations.studies import learn_from_studies
from transfernas.learning.bandit import NEW_POLICY, TRANSFERRED
from transfernas.learning.bandits import BANDITS
from transfernas.learning.learner import Learner
from transfernas.learning.likelihood import log_prob
from transfernas.learning.rule import LearningRule
from transfernas.learning.rules import RULES
from transfernas.spaces.condition import Config

NEXT = (Problem(LEFT, "three"), Problem(RIGHT, "four"))


@pytest.fixture
def registered(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(RULES, Imitation.kind, Imitation)
    monkeypatch.setitem(BANDITS, TurnsConfig.kind, TurnsConfig)


@pytest.fixture
def put_back() -> Iterator[None]:
    """Gives the tables back as they were, whatever a page adds to them."""
    rules, bandits = dict(RULES), dict(BANDITS)
    yield
    for kind in RULES.keys() - rules.keys():
        del RULES[kind]
    for kind in BANDITS.keys() - bandits.keys():
        del BANDITS[kind]


def imitating(**changes: object) -> TrainingConfig:
    return dataclasses.replace(FAST, rule=Imitation(learning_rate=0.02)).with_changes(changes)


def taking_turns() -> TrainingConfig:
    return FAST.with_changes({"transfer.bandit": TurnsConfig()})


def objective(trial: optuna.Trial) -> float:
    kind = trial.suggest_categorical("kind", ("a", "b", "c"))
    depth = trial.suggest_int("depth", 1, 4) if kind == "a" else 2
    return (kind == "b") + abs(trial.suggest_float("x", 0.0, 1.0) - 0.3) + 0.1 * depth


def searched(sampler: TransferSampler, trials: int = 15) -> optuna.Study:
    study = optuna.create_study(study_name=f"of {trials}", sampler=sampler)
    study.optimize(objective, n_trials=trials)
    return study


def saved_and_loaded(agent: Agent, path: Path) -> Agent:
    """The agent from its file, which goes on as the agent itself does."""
    loaded = Agent.load(agent.save(path / "agent.safetensors"))
    assert loaded.config == agent.config
    assert [config for _, _, config in play(loaded, 6)] == [config for _, _, config in play(agent, 6)]
    return loaded


def test_the_tables_name_each_entry_by_its_kind() -> None:
    assert {kind: rule.kind for kind, rule in RULES.items()} == {kind: kind for kind in RULES}
    assert {kind: config.kind for kind, config in BANDITS.items()} == {kind: kind for kind in BANDITS}


@pytest.mark.usefixtures("registered")
class TestRule:
    @pytest.mark.thorough
    def test_an_agent_asks_tells_is_saved_and_transfers(self, tmp_path: Path) -> None:
        agent = Agent(PROBLEMS, imitating(), seed=1)
        play(agent, 12)
        assert saved_and_loaded(agent, tmp_path).config.rule == Imitation(learning_rate=0.02)
        following = agent.transfer_to(NEXT)  # which rehearses
        play(following, 12)
        assert following.config.rule == agent.config.rule and following.learner.policies == 2
        saved_and_loaded(following, tmp_path)

    @pytest.mark.thorough
    def test_it_learns_what_it_says_from_many_old_trials_in_few_steps(self) -> None:
        """What it imitates becomes more likely, and what it does not less."""
        agent = Agent(PROBLEMS[:1], imitating(**{"rule.best": 1}), seed=0)
        before, configs = agent.learner, list(LEFT.enumerate())
        agent.learn_from((PROBLEMS[0], configs[at % len(configs)], float(-at)) for at in range(60))
        assert agent.learner.learned == 60 and int(agent.learner.state.optimizer[0].count[0]) == 50

        def chance(learner: Learner, config: Config) -> float:
            trial = jax.tree.map(jnp.asarray, learner.encoding.trajectory(0, config))
            policy = jax.tree.map(lambda leaf: leaf[0], learner.state.policy)
            return float(log_prob(policy, learner.tables, trial))

        top = agent.top()
        best, other = ([chance(each, at.config) for each in (before, agent.learner)] for at in (top[0], top[-1]))
        assert best[1] > best[0] + 1 and other[1] < other[0]

    @pytest.mark.thorough
    @pytest.mark.usefixtures("quiet")
    def test_it_runs_inside_of_optuna(self) -> None:
        sampler = TransferSampler(seed=0, config=imitating())
        study = searched(sampler)
        assert sampler.agent is not None and isinstance(sampler.agent.config.rule, Imitation)
        agent, report = learn_from_studies(None, [study], config=imitating())
        assert len(report.studies) == 1 and agent.learner.learned == 15
        second = TransferSampler(agent, seed=1, task="other")
        assert len(searched(second, 8).trials) == 8 and second.agent.config == imitating()

    def test_text_and_changes_name_it(self) -> None:
        assert parsed(FAST, "rule", "imitation") == Imitation()
        assert imitating().with_changes({"rule.best": 7}).rule == Imitation(learning_rate=0.02, best=7)
        with pytest.raises(ValueError, match="best is a field of Imitation: it is Preferences"):
            FAST.with_changes({"rule.best": 7})
        with pytest.raises(ValueError, match="rule.best must be a whole number of at least 1, not 0"):
            Imitation(best=0)


@pytest.mark.usefixtures("registered")
class TestBandit:
    @pytest.mark.thorough
    def test_an_agent_transfers_asks_tells_and_is_saved(self, tmp_path: Path) -> None:
        agent = Agent(PROBLEMS, FAST, seed=1)
        play(agent, 8)
        following = agent.transfer_to(NEXT[:1], config=taking_turns())
        play(following, 6)
        replay, bandit = following.learner.replay, following.learner.bandit
        assert replay.proposer[0, : replay.count].tolist() == [TRANSFERRED, NEW_POLICY] * 3
        assert isinstance(bandit, Turns) and bandit.told.tolist() == [[6.0]]
        loaded = saved_and_loaded(following, tmp_path)
        assert isinstance(loaded.learner.bandit, Turns) and loaded.learner.bandit.told.tolist() == [[12.0]]
        assert isinstance(loaded.transfer_to(NEXT[1:]).learner.bandit, Turns)

    @pytest.mark.thorough
    @pytest.mark.usefixtures("quiet")
    def test_it_grows_with_a_search_of_optuna(self) -> None:
        first = TransferSampler(seed=0, config=taking_turns().with_changes({"proposal.surrogate": None}))
        searched(first)
        second = TransferSampler(first.agent, seed=1, task="other")
        study = searched(second, 8)
        notes = [trial.user_attrs["transfernas"] for trial in study.trials]
        assert [note["name"] for note in notes] == ["policy", "new policy"] * 4
        assert {note["trust"] for note in notes} == {0.5}

    def test_a_damaged_array_is_named(self, tmp_path: Path) -> None:
        agent = Agent(PROBLEMS, FAST, seed=1)
        following = agent.transfer_to(NEXT, config=taking_turns())
        bandit = following.learner.bandit
        assert bandit is not None
        broken = dataclasses.replace(following.learner, bandit=bandit.map_arrays(lambda array: array - 1.0))
        path = Agent.of(broken).save(tmp_path / "agent.safetensors")
        with pytest.raises(CheckpointError, match="the tensor bandit.told holds values below 0"):
            Agent.load(path)


@pytest.mark.parametrize(
    ("changed", "text"),
    [
        (imitating, "TrainingConfig.rule must be Reinforce or Preferences, not Imitation"),
        (taking_turns, "TrainingConfig.transfer.bandit must be None or BanditConfig, not TurnsConfig"),
    ],
)
def test_what_is_not_in_its_table_is_refused(changed: Callable[[], TrainingConfig], text: str) -> None:
    with pytest.raises(ValueError) as error:
        changed()
    assert str(error.value).startswith(text)


@pytest.mark.parametrize(
    ("changed", "text"),
    [
        (imitating, r"TrainingConfig.rule must have a kind of \('reinforce', 'preferences'\), not 'imitation'"),
        (taking_turns, r"TrainingConfig.transfer.bandit must have a kind of \('default',\), not 'turns'"),
    ],
)
def test_a_file_whose_part_is_not_in_its_table_is_refused(
    changed: Callable[[], TrainingConfig], text: str, tmp_path: Path
) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(RULES, Imitation.kind, Imitation)
        patch.setitem(BANDITS, TurnsConfig.kind, TurnsConfig)
        path = Agent(PROBLEMS, changed()).save(tmp_path / "agent.safetensors")
    with pytest.raises(CheckpointError, match=text):
        Agent.load(path)


@dataclass(frozen=True, slots=True, kw_only=True)
class OwnTrials(LearningRule):
    """Learns nothing, from its own trials."""

    kind: ClassVar[str] = "own"
    off_policy: ClassVar[bool] = False

    def objective(self, policy: Any, tables: Any, batch: Any) -> Any:
        raise AssertionError


def test_an_on_policy_rule_has_no_bandit(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(RULES, OwnTrials.kind, OwnTrials)
    with pytest.raises(ValueError, match="bandit takes .* off-policy rule: OwnTrials learns from its own trials alone"):
        dataclasses.replace(FAST, rule=OwnTrials())


def test_a_missing_method_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(RULES, OwnTrials.kind, OwnTrials)
    agent = Agent(PROBLEMS, FAST.with_changes({"rule": OwnTrials(), "transfer.bandit": None}))
    with pytest.raises(NotImplementedError, match="OwnTrials has no method batches, which an off-policy rule must"):
        agent.tell(agent.ask(), 1.0)


@pytest.mark.thorough
@pytest.mark.usefixtures("put_back")
def test_the_page_shows_these_classes_and_its_code_runs() -> None:
    code = "\n".join(python_blocks("docs/how-to/extend.md"))
    for each in (Imitation, TurnsConfig, Turns):
        assert inspect.getsource(each) in code, each
    exec(compile(code, "docs/how-to/extend.md", "exec"), {"__name__": "__main__"})
    assert {"imitation", "turns"} <= {*RULES, *BANDITS}
