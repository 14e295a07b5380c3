"""The agent: a Transformer policy over many search spaces and tasks."""

import logging
import os
from collections.abc import Iterable, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any

import numpy as np

from .checkpoint.processed_trials import ProcessedTrials
from .checkpoint.snapshot import CheckpointError, SavedTrial, Snapshot, read_snapshot, write_snapshot
from .insight.beliefs import DRAWS, Beliefs, beliefs_of
from .insight.html import html_of
from .insight.told import actions_in, best_trials, expected_best_trial
from .insight.transfer_log import agent_line
from .learning.bandit import NOBODY
from .learning.compilation import BackgroundCompiler
from .learning.config import TrainingConfig, check_config
from .learning.expected_best import NO_PROCESS, ExpectedBest
from .learning.learner import Learner, fail, learn, new_learner, with_functions
from .learning.open_trial import OpenTrialData, as_replica, ask_trial
from .learning.proposal import skip_trial
from .learning.rehearsal import rehearse
from .learning.scores import Scores
from .learning.studying import OldTrials, study
from .learning.transfer import transfer, unused_fill
from .searcher import OpenTrial, Searcher, SearcherState, check_seed
from .spaces.condition import Action, Config, as_tuple
from .spaces.problem import Observation, Problem, Trial, check_problems, check_reward
from .spaces.vocabulary import TransferReport, transfer_report

_LOGGER = logging.getLogger(__name__)


class Agent(Searcher):
    """Searches several problems at once with a single policy, and transfers the learned policy to new problems.

    The problem of each trial is drawn uniformly. The same seed gives the same trials on the same machine.

    Attributes:
        processed: Trials of other records, such as studies in a database, that the agent has learned from.

    Example:
        ```python
        space = SearchSpace("cnn", [Choice("filters", (16, 32)), Choice("kernel size", (3, 5))])
        agent = Agent([Problem(space, task="digits")], seed=0)
        for _ in range(5):
            trial = agent.ask()
            agent.tell(trial, reward=trial.config["filters"] / 32)
        print(agent.best())
        agent = agent.transfer_to([Problem(space, task="faces")])
        ```
    """

    processed: ProcessedTrials
    # Problems whose functions a file could not hold, and that were not given again.
    _unset: Mapping[str, tuple[Problem, ...]] = MappingProxyType({"valid": (), "key": ()})
    _compiler: BackgroundCompiler | None = None
    _unused_fill: tuple[str, ...] = ()

    def __init__(self, problems: Iterable[Problem], config: TrainingConfig | None = None, seed: int = 0) -> None:
        """Creates an untrained agent, whose functions compile in the background.

        Args:
            problems: Problems to search.
            config: Settings, by default `TrainingConfig()`; `TrainingConfig.paper()` has those of the paper.
            seed: Seed of all random draws, a whole number of at least 0.

        Raises:
            ValueError: There is no problem, a (space, task) pair occurs twice, two different spaces have the same name,
                or the seed is not a whole number of at least 0.
            TypeError: A member of `problems` is not a Problem, or `config` is not a TrainingConfig.
        """
        found = check_problems(problems)
        super().__init__(found, new_learner(found, check_config(config) or TrainingConfig(), check_seed(seed)))
        self.processed = ProcessedTrials()
        self._compiling()

    @classmethod
    def of(cls, learner: Learner) -> "Agent":
        """Returns the agent that continues with a learner of a single replica, for example from an experiment.

        Raises:
            ValueError: The learner has several replicas.
        """
        if learner.replicas != 1:
            raise ValueError(f"an agent is one replica, not {learner.replicas}; take one with select(learner, replica)")
        agent = cls.__new__(cls)
        Searcher.__init__(agent, learner.encoding.problems, learner)
        agent.processed = ProcessedTrials()
        return agent

    @property
    def learner(self) -> Learner:
        """Weights, trials and settings of the agent; immutable."""
        return self._learner

    @property
    def config(self) -> TrainingConfig:
        """Settings of the agent."""
        return self._learner.config

    @property
    def transfer_report(self) -> TransferReport | None:
        """Names of the problems that the agent knew when it was transferred; None without a transfer."""
        known = self._learner.known
        return None if known is None else transfer_report(known, self._problems)

    @property
    def provenance(self) -> tuple[tuple[str, str, int], ...]:
        """Space, task and number of trials of every problem that the agent has learned from, in order of time."""
        return tuple((past.space, past.task, past.trials[0]) for past in self._learner.provenance)

    def learn_from(self, history: Iterable[Observation | tuple[Problem, Config, float]]) -> None:
        """Learns from configurations that were proposed and evaluated elsewhere.

        The configurations enter the priority queue, even if a problem's `valid` would refuse them, and priority queue
        training imitates the best. REINFORCE uses only trials that the policy proposed. The preference rule makes a
        step for each of up to 50 configurations, and a step for every ten if there are more than 500.

        Args:
            history: (problem, configuration, reward) triples; the names of its space and task identify a problem.

        Raises:
            ValueError: A problem is unknown to the agent, a configuration does not fit its space, or a reward is not a
                finite number. The agent has learned nothing of the history then, nor after an interrupt.
        """
        encoding = self._learner.encoding
        rows, configs, rewards = list[int](), list[Config](), list[float]()
        for number, entry in enumerate(history):
            what = f"entry {number} of the history"
            if not (isinstance(entry, tuple) and len(entry) == 3 and isinstance(entry[0], Problem)):
                raise ValueError(f"{what} should be (problem, configuration, reward), not {entry!r}")
            problem, config, reward = entry
            try:
                row = encoding.row(problem)
                configs.append(encoding.ordered(row, actions_in(self._learner, row, config)))
            except ValueError as error:
                raise ValueError(f"{what}: {error}") from None
            rows.append(row)
            rewards.append(check_reward(reward, what))
        if not rows:
            return
        trials = encoding.sequences(rows, configs).at(None)
        numbers = np.array([[encoding.numbers(row, config) for row, config in zip(rows, configs, strict=True)]])
        with self._lock:
            self._compiling().wait_for_update()
            scores = Scores.of(np.array([rewards]))
            learner, _ = study(self._learner, OldTrials(np.array([rows], np.int32), trials, scores, numbers))
            self._now = self._now._replace(knowledge=learner)

    def best(self, problem: Problem | None = None) -> Observation | None:
        """Returns the best observation of a problem, the first of `top`; None before the first trial.

        Args:
            problem: A problem of the agent, identified by its names. You may leave it out if the agent has a single
                problem.

        Raises:
            ValueError: The problem is unknown to the agent, or is left out although the agent has several.
        """
        top = self.top(problem)
        return top[0] if top else None

    def top(self, problem: Problem | None = None) -> list[Observation]:
        """Returns the observations of a problem in the priority queue, best first, at most `config.queue.size`.

        All configurations differ, and of equal rewards the one that was told first comes first. Rewards are those that
        you told; `config.queue.repeats` determines the reward of a configuration that was evaluated more than once. A
        trial of another tool that was pruned, or that failed and counts as the worst, has the reward minus infinity. Of
        such a tool, such as Optuna, an agent keeps the exact numbers of about ten best trials. In other trials, the
        part of the range in which the number was stands for the number, as in "about 0.0001 to 0.000178".

        Args:
            problem: As for `best`.

        Raises:
            ValueError: The problem is unknown to the agent, or is left out although the agent has several.
        """
        learner, row = self._learner, self._row(problem, "best")
        return [Observation(self._problems[row], config, reward) for config, reward in best_trials(learner, row)]

    def expected_best(self, problem: Problem | None = None) -> ExpectedBest | None:
        """Returns the trial of a problem with the best expected reward; None before the first trial.

        `best` is the best single evaluation, which is often a lucky one under noise. The expected rewards are those of
        a Gaussian process over the trials: the best, the latest, and a spread of the others, 200 at most.

        Args:
            problem: As for `best`.

        Raises:
            ValueError: As for `best`; or the configuration has no surrogate.

        Example:
            ```python
            best = agent.expected_best()
            print(best.params, best.value, "+-", best.deviation)
            ```
        """
        row = self._row(problem, "expected_best")
        if self.config.proposal.surrogate is None:
            raise ValueError(f"the agent expects nothing: {NO_PROCESS}")
        return expected_best_trial(self._learner, row)

    def beliefs(
        self, problem: Problem | None = None, *, draws: int = DRAWS, seed: int = 0, attention: Config | None = None
    ) -> Beliefs:
        """Returns the agent's beliefs about a problem, as plain data. The next trials of the agent do not change.

        Args:
            problem: found by its names; may be left out where the agent has one.
            draws: how many configurations are drawn from the policy, at least; each parameter's probabilities are
                shares of them.
            seed: of these draws.
            attention: a configuration, such as `agent.best().config`: the beliefs then have the attention between its
                decisions.

        Raises:
            ValueError: the problem is none of the agent's, or was left out where it has several; `draws` or `seed` is
                no whole number of at least 1 or 0; `attention` is no configuration of the problem, or the agent's
                network, such as an LSTM, has no layers of attention.

        Example:
            ```python
            beliefs = agent.beliefs(agent.problems[0])
            print(beliefs["filters"].probabilities, beliefs["filters"].importance)
            ```
        """
        return beliefs_of(self._learner, self._row(problem, "beliefs"), draws, check_seed(seed), attention)

    def transfer_to(
        self,
        problems: Iterable[Problem],
        config: TrainingConfig | None = None,
        seed: int | None = None,
        rename: Mapping[str, str] | None = None,
        fill: Mapping[str, Action] | None = None,
    ) -> "Agent":
        """Returns a new agent for new problems that starts from the knowledge of this agent, which does not change.

        Names that this agent knows keep their embeddings; embeddings of new names are drawn (paper, section 3). The
        `transfer_report` of the new agent lists both. Its first `ask` logs their numbers to the logger
        `transfernas.agent`, as a warning if some names may be misspelt or a value in `fill` is not used.

        Args:
            problems: Problems to search next.
            config: Settings of the new agent, with the same network; by default those of this agent.
            seed: Seed of the new agent; by default derived from the seed of this agent.
            rename: Mapping from states of this agent to states of the new spaces with the same meaning, such as
                `{"lr": "learning rate"}`.
            fill: Mapping from choices of the new spaces to the fixed actions that they had in the earlier problems,
                such as `{"dropout": 0.0}`. With these actions, the best configurations so far fit the new spaces, and
                the new agent tries them among the first.

        Raises:
            ValueError: `problems` or `seed` is invalid as for a new agent; `config` changes the network; `rename` has
                an unknown state, or a new name that is a state already or that the new spaces lack; or `fill` has an
                unknown choice or action.
        """
        found = check_problems(problems)
        seed = None if seed is None else check_seed(seed)
        agent = Agent.of(transfer(rehearse(self._learner), found, check_config(config), seed, rename, fill))
        agent.processed, agent._unused_fill = self.processed.copy(), unused_fill(agent._learner, fill)
        agent._compiling()
        return agent

    def save(self, path: str | os.PathLike[str]) -> Path:
        """Writes the agent to a safetensors file, whole or not at all.

        A loaded agent continues exactly as this agent would, bit for bit. The functions of the problems (`objective`,
        `valid` and `key`) are not saved.

        Returns:
            The path.

        Raises:
            OSError: The file cannot be written.
        """
        rows, now = {problem.name: row for row, problem in enumerate(self._problems)}, self._now
        trials = [
            SavedTrial(number, rows[opened.problem.name], opened.config, opened.kept.proposer)
            for number, opened in now.open.items()
        ]
        having = {
            name: tuple(row for row, p in enumerate(self._problems) if getattr(p, name) is not None or p in unset)
            for name, unset in self._unset.items()
        }
        open_trials, processed = tuple(trials), self.processed.copy()
        snapshot = Snapshot(
            now.knowledge, self._name, now.asked, open_trials, having["valid"], processed, keyed=having["key"]
        )
        return write_snapshot(Path(path), snapshot)

    @classmethod
    def load(cls, path: str | os.PathLike[str], problems: Iterable[Problem] = ()) -> "Agent":
        """Reads an agent from a file; `open_trials` of the agent has the trials that are still open.

        Args:
            path: Path of the file.
            problems: Problems of the agent with their functions, because a file holds no function. Problems that had
                `valid` or `key` must be given.

        Raises:
            CheckpointError: The file is damaged, foreign or newer than this version; the message names the field.
            ValueError: A problem is unknown to the agent, or its space has changed.
        """
        snapshot = read_snapshot(Path(path))
        given = as_tuple(problems, "problems")
        if snapshot.learner.replicas != 1:
            raise CheckpointError(
                f"{path} holds the {snapshot.learner.replicas} replicas of an experiment, not an agent"
            )
        learner = with_functions(snapshot.learner, check_problems(given) if given else ())
        agent = cls.of(learner)
        agent._name, agent.processed = snapshot.name, snapshot.processed
        agent._unset = {
            name: tuple(agent.problems[row] for row in rows if getattr(agent.problems[row], name) is None)
            for name, rows in (("valid", snapshot.restricted), ("key", snapshot.keyed))
        }
        opened = {
            trial.number: OpenTrial(
                agent.problems[trial.row],
                trial.config,
                OpenTrialData.of(learner, trial.row, trial.config, trial.proposer),
            )
            for trial in snapshot.open_trials
        }
        agent._now = SearcherState(snapshot.asked, opened, learner)
        return agent

    def _repr_html_(self) -> str:
        """Returns a table of the agent's problems, which notebooks show."""
        return html_of(self._learner)

    def _row(self, problem: Problem | None, method: str) -> int:
        """Returns the row of a problem.

        Raises:
            ValueError: it is none of the agent's, or was left out where the agent has several.
        """
        if problem is None and len(self._problems) > 1:
            raise ValueError(f"the agent searches several problems; say which, as in agent.{method}(problem)")
        return 0 if problem is None else self._learner.encoding.row(problem)

    def _copied(self) -> dict[str, Any]:
        """Leaves out the compiling thread as well, which cannot be copied."""
        return super()._copied() | {"_compiler": None, "processed": self.processed.copy()}

    def _compiling(self) -> BackgroundCompiler:
        if self._compiler is None:
            self._compiler = BackgroundCompiler(self._learner)
        return self._compiler

    @property
    def _learner(self) -> Learner:
        learner: Learner = self._now.knowledge
        return learner

    def _ask_one(self) -> Trial:
        before = self._learner
        trial = super()._ask_one()
        # A learner whose trials were proposed elsewhere, such as a sampler's, is no longer at its first trial.
        if trial.number == 0 and not before.sampled and (line := agent_line(before, self._unused_fill)) is not None:
            _LOGGER.log(*line)
        return trial

    def _propose(self) -> tuple[OpenTrial, Learner]:
        for name, unset in self._unset.items():
            for problem in unset:
                raise ValueError(
                    f"problem {problem.name} was saved with a function `{name}`, which a file cannot hold; give it "
                    f"again, as in Agent.load(path, problems=[Problem(space, task, {name}=...)])"
                )
        row_of = self._learner.encoding.row
        opened = [(row_of(one.problem), one.config, one.kept) for one in self._open.values()]
        learner, row, config, kept = ask_trial(self._learner, opened, self._compiling().wait_for_sample)
        return OpenTrial(self._problems[row], config, kept), learner

    def _passed_over(self) -> Learner:
        return self._learner if any(self._unset.values()) else skip_trial(self._learner)

    def _close(self, trial: OpenTrial, reward: float | None) -> Learner:
        learner, kept = self._learner, trial.kept
        row = learner.encoding.row(trial.problem)
        problem, batched, proposer = as_replica(row, kept.trajectory, kept.proposer)
        numbers = learner.encoding.numbers(row, trial.config)[None]
        if reward is None:
            return fail(learner, problem, batched, proposer, numbers)
        self._compiling().wait_for_update()
        others = kept.proposer == NOBODY
        return learn(learner, problem, batched, np.array([reward]), proposer, others=others, numbers=numbers)
