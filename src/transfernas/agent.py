"""The agent: one Transformer policy over many search spaces and tasks."""

import dataclasses
import os
from collections.abc import Iterable
from pathlib import Path

import jax
import numpy as np

from .checkpoint import OpenTrial, Snapshot, read_snapshot, write_snapshot
from .learning.config import TrainingConfig
from .learning.learner import Learner, Taken, learn, new_learner, propose, transfer
from .learning.warm_up import WarmUp
from .searcher import Searcher, check_seed
from .spaces.encoding import Trajectory
from .spaces.problem import Observation, Problem, Trial, check_problems, check_reward
from .spaces.space import Config
from .spaces.vocabulary import TransferReport, transfer_report


class Agent(Searcher):
    """Searches several problems at once with one policy, and takes what it learned to the next ones.

    Each trial is of one of the problems, drawn uniformly. The same seed gives the same trials on the same machine.
    """

    def __init__(
        self,
        problems: Iterable[Problem],
        config: TrainingConfig | None = None,
        seed: int = 0,
    ) -> None:
        """Creates an agent that knows nothing; it compiles in the background.

        Args:
            problems: the (space, task) pairs to search.
            config: hyperparameters; the paper's by default.
            seed: of everything random, a whole number of at least 0.

        Raises:
            ValueError: there is no problem, a pair is there twice, two different spaces have one name, or the seed is
                not a whole number of at least 0.
        """
        super().__init__(tuple(problems))
        self._start(new_learner(self._problems, config or TrainingConfig.paper(), check_seed(seed)))
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

        They enter the priority queue and are imitated from it. REINFORCE takes only what the policy itself proposed.

        Args:
            history: (problem, configuration, reward) of each; the problem is found by its names.

        Raises:
            ValueError: a problem is none of the agent's, a configuration does not fit its space, or a reward is not a
                finite number. Nothing of the history was learned then.
        """
        checked: list[tuple[int, Trajectory, float]] = []
        for number, entry in enumerate(history):
            what = f"entry {number} of the history"
            if not (isinstance(entry, tuple) and len(entry) == 3 and isinstance(entry[0], Problem)):
                raise ValueError(f"{what} should be (problem, configuration, reward), not {entry!r}")
            problem, config, reward = entry
            try:
                row = self._learner.encoding.row(problem)
                trajectory = self._learner.encoding.trajectory(row, config)
            except ValueError as error:
                raise ValueError(f"{what}: {error}") from None
            checked.append((row, trajectory, check_reward(reward, what)))
        for row, trajectory, value in checked:
            self._learn(row, trajectory, value, own=False)

    def best(self, problem: Problem | None = None) -> Observation | None:
        """Returns the best observation of a problem; None before the first.

        Args:
            problem: found by its names; may be left out where the agent has one.

        Raises:
            ValueError: the problem is none of the agent's, or was left out where it has several.
        """
        top = self.top(problem)
        return top[0] if top else None

    def top(self, problem: Problem | None = None) -> list[Observation]:
        """Returns a problem's best distinct observations, best first, at most `config.queue_size`.

        Args:
            problem: found by its names; may be left out where the agent has one.

        Raises:
            ValueError: the problem is none of the agent's, or was left out where it has several.
        """
        if problem is None and len(self._problems) > 1:
            raise ValueError("the agent searches several problems; say which, as in agent.best(problem)")
        encoding = self._learner.encoding
        row = 0 if problem is None else encoding.row(problem)
        queue = jax.tree.map(lambda leaf: np.asarray(leaf)[0, row], self._learner.state.queue)
        order = np.argsort(-queue.reward[: queue.filled], kind="stable")
        return [
            Observation(
                self._problems[row],
                encoding.config(row, jax.tree.map(lambda leaf, at=slot: leaf[at], queue.trials)),
                float(queue.reward[slot]),
            )
            for slot in order
        ]

    def transfer_to(
        self, problems: Iterable[Problem], config: TrainingConfig | None = None, seed: int | None = None
    ) -> "Agent":
        """Returns an agent for new problems that starts from what this one knows; this one stays as it is.

        Everything whose name is known keeps its embedding, the rest is drawn anew (paper, section 3). See
        `transfer_report` of the new agent for what that was.

        Args:
            problems: the (space, task) pairs to search next.
            config: other hyperparameters for the new agent; the network must stay the same.
            seed: of the new agent; by default it follows from this one's.

        Raises:
            ValueError: as for a new agent, or if `config` changes the network.
        """
        found = check_problems(problems)
        learner = transfer(self._learner, found, config, None if seed is None else check_seed(seed))
        agent = Agent.of(learner)
        agent._compiling()
        return agent

    def save(self, path: str | os.PathLike[str]) -> Path:
        """Writes the agent to one safetensors file, whole or not at all.

        An agent that is loaded goes on as this one would have, to the bit. The functions of the problems, objective and
        valid, are not saved.

        Returns:
            The path.
        """
        rows = {problem.name: row for row, problem in enumerate(self._problems)}
        trials = [OpenTrial(trial.number, rows[trial.problem.name], trial.config) for trial in self.open_trials]
        restricted = [row for row, p in enumerate(self._problems) if p.valid is not None or p in self._unset]
        return write_snapshot(
            Path(path), Snapshot(self._learner, self._name, self._asked, tuple(trials), tuple(restricted))
        )

    @classmethod
    def load(cls, path: str | os.PathLike[str], problems: Iterable[Problem] = ()) -> "Agent":
        """Reads an agent from its file.

        Args:
            path: the file.
            problems: the agent's problems again, with their functions; needed for those that have `valid`. Trials that
                are still open are in `open_trials`.

        Raises:
            CheckpointError: the file is damaged, foreign or newer than this version; the message names the field.
            ValueError: a problem is none of the agent's, or its space changed.
        """
        snapshot = read_snapshot(Path(path))
        learner = _with_functions(snapshot.learner, tuple(problems))
        agent = cls.of(learner)
        agent._name, agent._asked = snapshot.name, snapshot.asked
        restricted = [agent.problems[row] for row in snapshot.restricted]
        agent._unset = tuple(problem for problem in restricted if problem.valid is None)
        for trial in snapshot.open_trials:
            problem = agent.problems[trial.row]
            agent._open[trial.number] = Trial(trial.number, problem, trial.config, agent._name)
            agent._pending[trial.number] = learner.encoding.trajectory(trial.row, trial.config)
        return agent

    def _start(self, learner: Learner) -> None:
        """Takes up its work: the part of construction that a new, a loaded and a transferred agent share."""
        self._learner = learner
        self._unset: tuple[Problem, ...] = ()
        self._pending: dict[int, Trajectory] = {}
        self._warm_up: WarmUp | None = None

    def _compiling(self) -> WarmUp:
        if self._warm_up is None:
            self._warm_up = WarmUp(self._learner)
        return self._warm_up

    def _propose(self, number: int) -> tuple[Problem, Config]:
        for problem in self._unset:
            raise ValueError(
                f"problem {problem.name} was saved with a function `valid`, which a file can not hold; give it again, "
                f"as in Agent.load(path, problems=[Problem(space, task, valid=...)])"
            )
        first_valid = self._first_valid if self._learner.restricted else None
        self._learner, proposal = propose(self._learner, first_valid, self._compiling().wait_for_sample)
        row = int(proposal.problem[0])
        self._pending[number] = jax.tree.map(lambda leaf: leaf[0], proposal.rollout.trajectory)
        return self._problems[row], self._learner.encoding.taken_config(row, proposal.rollout.taken[0])

    def _close(self, trial: Trial, reward: float | None) -> None:
        trajectory = self._pending[trial.number]
        if reward is not None:
            self._learn(self._learner.encoding.row(trial.problem), trajectory, reward, own=True)
        del self._pending[trial.number]

    def _learn(self, row: int, trajectory: Trajectory, reward: float, own: bool) -> None:
        self._compiling().wait_for_update()
        batched: Trajectory = jax.tree.map(lambda leaf: np.asarray(leaf)[None], trajectory)
        problem = np.array([row], np.int32)
        self._learner = learn(self._learner, problem, batched, np.array([reward]), np.array([own]))

    def _first_valid(self, row: int, taken: Taken) -> tuple[int | None, int]:
        valid = self._problems[row].valid
        for index, actions in enumerate(taken):
            if valid is None or valid(self._learner.encoding.taken_config(row, actions)):
                return index, index
        return None, len(taken)


def _with_functions(learner: Learner, given: tuple[Problem, ...]) -> Learner:
    """Returns the learner with the problems given in place of those of their names."""
    problems = list(learner.encoding.problems)
    for problem in given:
        row = learner.encoding.row(problem)
        if problem.space != problems[row].space:
            raise ValueError(
                f'search space "{problem.space.name}" is not as it was when the agent was saved; load the agent '
                f"without it and use transfer_to"
            )
        problems[row] = problem
    encoding = dataclasses.replace(learner.encoding, problems=tuple(problems))
    return dataclasses.replace(learner, encoding=encoding)
