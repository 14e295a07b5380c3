"""The agent: one Transformer policy over many search spaces and tasks."""

import functools
import os
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import jax
import numpy as np
from jaxtyping import Int

from .checkpoint.processed_trials import ProcessedTrials
from .checkpoint.snapshot import CheckpointError, SavedTrial, Snapshot, read_snapshot, write_snapshot
from .insight.beliefs import DRAWS, Beliefs, beliefs_of
from .insight.html import html_of
from .learning.compilation import BackgroundCompiler
from .learning.config import TrainingConfig
from .learning.learner import Learner, fail, learn, new_learner, with_functions
from .learning.proposal import propose, skip_trial
from .learning.rehearsal import rehearse
from .learning.replay import fingerprints
from .learning.scores import Scores
from .learning.studying import study
from .learning.transfer import transfer
from .searcher import OpenTrial, Searcher, SearcherState, check_seed
from .spaces.condition import Action, Config, as_tuple
from .spaces.problem import Observation, Problem, check_problems, check_reward
from .spaces.trajectory import Trajectory
from .spaces.vocabulary import TransferReport, transfer_report


class Agent(Searcher):
    """Searches several problems at once with one policy, and takes what it learned to the next ones.

    Each trial is of one of the problems, drawn uniformly. The same seed gives the same trials on the same machine.

    Attributes:
        processed: the trials of others' records, such as studies in a database, that it learned from.
    """

    processed: ProcessedTrials

    def __init__(
        self,
        problems: Iterable[Problem],
        config: TrainingConfig | None = None,
        seed: int = 0,
    ) -> None:
        """Creates an agent that knows nothing; it compiles in the background.

        Args:
            problems: the (space, task) pairs to search.
            config: settings; `TrainingConfig()` by default, `TrainingConfig.paper()` are the paper's.
            seed: of everything random, a whole number of at least 0.

        Raises:
            ValueError: there is no problem, a pair is there twice, two different spaces have one name, or the seed is
                not a whole number of at least 0.
        """
        super().__init__(problems)
        self._start(new_learner(self._problems, _checked(config or TrainingConfig()), check_seed(seed)))
        self._compiling()

    @classmethod
    def of(cls, learner: Learner) -> "Agent":
        """Returns the agent that goes on with a learner of one replica, as an experiment has them.

        Raises:
            ValueError: the learner has several replicas.
        """
        if learner.replicas != 1:
            raise ValueError(f"an agent is one replica, not {learner.replicas}; take one with select(learner, replica)")
        agent = cls.__new__(cls)
        Searcher.__init__(agent, learner.encoding.problems)
        agent._start(learner)
        return agent

    @property
    def learner(self) -> Learner:
        """All that it knows; immutable."""
        return self._learner

    @property
    def config(self) -> TrainingConfig:
        """The hyperparameters."""
        return self._learner.config

    @property
    def transfer_report(self) -> TransferReport | None:
        """What was known of the problems when the agent was transferred to them; None if it never was."""
        known = self._learner.known
        return None if known is None else transfer_report(known, self._problems)

    @property
    def provenance(self) -> tuple[tuple[str, str, int], ...]:
        """What the agent learned from: (space, task, trials) of every problem, earlier ones first."""
        return tuple((past.space, past.task, past.trials[0]) for past in self._learner.provenance)

    def learn_from(self, history: Iterable[Observation | tuple[Problem, Config, float]]) -> None:
        """Learns from configurations that somebody else proposed and evaluated.

        They enter the priority queue and are imitated from it, also where a problem's `valid` would refuse them.
        REINFORCE takes only what the policy itself proposed. Learning by preferences makes one step for each of up to
        50 configurations, and one for ten of them where there are more than 500.

        Args:
            history: (problem, configuration, reward) of each; the problem is found by its names.

        Raises:
            ValueError: a problem is none of the agent's, a configuration does not fit its space, or a reward is not a
                finite number. Nothing of the history was learned then, nor after an interrupt.
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
                configs.append(encoding.ordered(row, config))
            except ValueError as error:
                raise ValueError(f"{what}: {error}") from None
            rows.append(row)
            rewards.append(check_reward(reward, what))
        if not rows:
            return
        trials = Trajectory(*(leaf[None] for leaf in encoding.sequences(rows, configs)))
        with self._lock:
            self._compiling().wait_for_update()
            learner, _ = study(self._learner, np.array([rows], np.int32), trials, Scores.of(np.array([rewards])))
            self._now = self._now._replace(knowledge=learner)

    def best(self, problem: Problem | None = None) -> Observation | None:
        """Returns the best observation of a problem, the first of `top`; None before the first trial.

        Args:
            problem: found by its names; may be left out where the agent has one.

        Raises:
            ValueError: the problem is none of the agent's, or was left out where it has several.
        """
        top = self.top(problem)
        return top[0] if top else None

    def top(self, problem: Problem | None = None) -> list[Observation]:
        """Returns a problem's best distinct observations, best first, at most `config.queue.size`.

        They are those of the priority queue. Rewards are as they were told; a configuration that was evaluated more
        than once has the reward that `config.queue.repeats` says. In other tools a value may be infinite; a trial that
        was pruned, or that failed and counts as the worst, has the reward minus infinity here.

        Args:
            problem: found by its names; may be left out where the agent has one.

        Raises:
            ValueError: the problem is none of the agent's, or was left out where it has several.
        """
        learner, row = self._learner, self._row(problem, "best")
        encoding = learner.encoding
        queue, order = learner.queue, learner.queue.best_first(0, row)
        rewards = queue.scores.at((0, row, order)).shown()
        configs = [encoding.config(row, Trajectory(*(leaf[0, row, slot] for leaf in queue.trials))) for slot in order]
        found = zip(configs, rewards.tolist(), strict=True)
        return [Observation(self._problems[row], config, reward) for config, reward in found]

    def beliefs(self, problem: Problem | None = None, *, draws: int = DRAWS, seed: int = 0) -> Beliefs:
        """Returns what the agent believes of a problem, as plain data; its next trials stay as they would have been.

        Args:
            problem: found by its names; may be left out where the agent has one.
            draws: how many configurations are drawn from the policy, at least; each parameter's probabilities are
                shares of them.
            seed: of these draws.

        Raises:
            ValueError: the problem is none of the agent's, or was left out where it has several; or `draws` or `seed`
                is no whole number of at least 1 or 0.

        Example:
            ```python
            beliefs = agent.beliefs(agent.problems[0])
            print(beliefs["filters"].probabilities, beliefs["filters"].importance)
            ```
        """
        return beliefs_of(self._learner, self._row(problem, "beliefs"), draws, check_seed(seed))

    def transfer_to(
        self,
        problems: Iterable[Problem],
        config: TrainingConfig | None = None,
        seed: int | None = None,
        rename: Mapping[str, str] | None = None,
        fill: Mapping[str, Action] | None = None,
    ) -> "Agent":
        """Returns an agent for new problems that starts from what this one knows; this one stays as it is.

        Everything whose name is known keeps its embedding, the rest is drawn anew (paper, section 3). See
        `transfer_report` of the new agent for what that was.

        Args:
            problems: the (space, task) pairs to search next.
            config: other hyperparameters for the new agent; the network must stay the same.
            seed: of the new agent; by default it follows from this one's.
            rename: from names of states that this agent knows to names in the new spaces that mean the same, such as
                `{"lr": "learning rate"}`.
            fill: what choices of the new spaces were before they were choices, such as `{"dropout": 0.0}`; then the
                best configurations found so far fit there and are among the first that the new agent tries.

        Raises:
            ValueError: as for a new agent, or if `config` changes the network, or `rename` names a state that is not
                known, or gives it the name of one that is, or `fill` names no choice of the new spaces or none of
                its actions.
        """
        found = check_problems(problems)
        learner = transfer(
            rehearse(self._learner),
            found,
            None if config is None else _checked(config),
            None if seed is None else check_seed(seed),
            rename,
            fill,
        )
        agent = Agent.of(learner)
        agent.processed = self.processed.copy()
        agent._compiling()
        return agent

    def save(self, path: str | os.PathLike[str]) -> Path:
        """Writes the agent to one safetensors file, whole or not at all.

        An agent that is loaded goes on as this one would have, to the bit. The functions of the problems, objective,
        valid and key, are not saved.

        Returns:
            The path.
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
        """Reads an agent from its file.

        Args:
            path: the file.
            problems: the agent's problems again, with their functions; needed for those that have `valid` or `key`.
                Trials that are still open are in `open_trials`.

        Raises:
            CheckpointError: the file is damaged, foreign or newer than this version; the message names the field.
            ValueError: a problem is none of the agent's, or its space changed.
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
            trial.number: OpenTrial(agent.problems[trial.row], trial.config, _open_trial_data(learner, trial))
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
        """Leaves out the thread that compiles too, which no copy can have."""
        return super()._copied() | {"_compiler": None, "processed": self.processed.copy()}

    def _start(self, learner: Learner) -> None:
        """Takes up its work: the part of construction that a new, a loaded and a transferred agent share."""
        self._now = SearcherState(knowledge=learner)
        self.processed = ProcessedTrials()
        self._unset: dict[str, tuple[Problem, ...]] = {"valid": (), "key": ()}
        self._compiler: BackgroundCompiler | None = None

    def _compiling(self) -> BackgroundCompiler:
        if self._compiler is None:
            self._compiler = BackgroundCompiler(self._learner)
        return self._compiler

    @property
    def _learner(self) -> Learner:
        learner: Learner = self._now.knowledge
        return learner

    def _propose(self) -> tuple[OpenTrial, Learner]:
        for name, unset in self._unset.items():
            for problem in unset:
                raise ValueError(
                    f"problem {problem.name} was saved with a function `{name}`, which a file cannot hold; give it "
                    f"again, as in Agent.load(path, problems=[Problem(space, task, {name}=...)])"
                )
        self._look_at_open()
        pending = np.fromiter((opened.kept.fingerprint for opened in self._open.values()), np.uint64, len(self._open))
        learner, proposal = propose(self._learner, before_draw=self._compiling().wait_for_sample, pending=pending)
        row = int(proposal.problem[0])
        config = learner.encoding.config_of_indices(row, proposal.rollout.action_indices[0])
        trajectory: Trajectory = jax.tree.map(lambda leaf: leaf[0], proposal.rollout.trajectory)
        kept = OpenTrialData(
            trajectory, int(proposal.proposer[0]), fingerprints(proposal.problem, proposal.rollout.trajectory)[0]
        )
        return OpenTrial(self._problems[row], config, kept), learner

    def _look_at_open(self) -> None:
        """Enters open trials, which may be of a file, in `network_cache`; only problems with a key need it."""
        learner = self._learner
        for opened in self._open.values() if learner.keyed else ():
            if opened.problem.key is not None:
                row, look_up = learner.encoding.row(opened.problem), functools.partial(getattr, opened, "config")
                learner.network_cache.network(learner.encoding, row, int(opened.kept.fingerprint), look_up)

    def _passed_over(self) -> Learner:
        return self._learner if any(self._unset.values()) else skip_trial(self._learner)

    def _close(self, trial: OpenTrial, reward: float | None) -> Learner:
        row, kept = self._learner.encoding.row(trial.problem), trial.kept
        if reward is not None:
            return self._learned(self._learner, row, kept.trajectory, reward, kept.proposer)
        return fail(self._learner, *_one(row, kept.trajectory, kept.proposer))

    def _learned(self, learner: Learner, row: int, trajectory: Trajectory, reward: float, proposer: int) -> Learner:
        self._compiling().wait_for_update()
        problem, batched, proposers = _one(row, trajectory, proposer)
        return learn(learner, problem, batched, np.array([reward]), proposers, others=proposer < 0)


class OpenTrialData(NamedTuple):
    """What an agent keeps of an open trial.

    Attributes:
        trajectory: what was decided.
        proposer: which of its policies proposed it.
        fingerprint: what it is known by, see `replay.fingerprints`.
    """

    trajectory: Trajectory
    proposer: int
    fingerprint: np.uint64


def _open_trial_data(learner: Learner, trial: SavedTrial) -> OpenTrialData:
    trajectory = learner.encoding.trajectory(trial.row, trial.config)
    row, batched, _ = _one(trial.row, trajectory, trial.proposer)
    return OpenTrialData(trajectory, trial.proposer, fingerprints(row, batched)[0])


def _one(
    row: int, trajectory: Trajectory, proposer: int
) -> tuple[Int[np.ndarray, "1"], Trajectory, Int[np.ndarray, "1"]]:
    """Returns a trial as one of each of one replica."""
    batched: Trajectory = jax.tree.map(lambda leaf: np.asarray(leaf)[None], trajectory)
    return np.array([row], np.int32), batched, np.array([proposer], np.int32)


def _checked(config: object) -> TrainingConfig:
    if not isinstance(config, TrainingConfig):
        raise TypeError(f"config must be a TrainingConfig, as TrainingConfig.paper(), not {config!r}")
    return config
