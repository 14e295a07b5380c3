"""The learner of a search of an undeclared space: it begins with the first parameter, and grows with the space."""

import copy
import dataclasses
import math
from collections.abc import Mapping, Sequence

import numpy as np

from ..agent import Agent
from ..learning.archive import WITH_NUMBERS, ArchivedProblem, archive_of_trials
from ..learning.bandit import PROPOSER_NAMES, WARM_START
from ..learning.catching_up import catch_up
from ..learning.compilation import BackgroundCompiler
from ..learning.config import TrainingConfig
from ..learning.growth import grow
from ..learning.learner import Learner, fail, learn, new_learner, note
from ..learning.scores import Score, Scores, TrialOutcome
from ..spaces.condition import Action
from ..spaces.encoding import Encoding
from ..spaces.problem import Problem
from ..spaces.schema import Json
from ..spaces.space import SearchSpace
from ..spaces.trajectory import Trajectory
from ..spaces.vocabulary import TransferReport, transfer_report
from .plans import NOBODY, ROW, SURROGATE, PlannedTrial, Proposer, as_batch, numbers_of, shapes_for
from .source import SourceAgent
from .space import DefineByRunSpace
from .trials import FinishedTrial

# Not for tuning. These numbers protect REINFORCE from values far from all others, and change no others.
_RECENT = 1_000  # rewards that give the scale
_PROPOSERS = PROPOSER_NAMES | {SURROGATE: "surrogate"}
_FAR = 3.0  # interquartile ranges from the median; rewards farther away count as this far


class DefineByRunLearner:
    """The learner of a search.

    Attributes:
        names: The names of the space and the task.
        learns: Whether the search learns from trials.
        source: The agent that the search starts from; None for an agent that knows nothing.
        learner: The learner; None before the first parameter.
    """

    def __init__(
        self, names: tuple[str, str], config: TrainingConfig, seed: int, source: SourceAgent | None, learns: bool
    ) -> None:
        """Begins without parameters, or with those of a source that is `resumed`.

        Args:
            names: The names of the space and the task.
            config: The hyperparameters.
            seed: The seed of all random numbers.
            source: The agent that the search starts from; None for an agent that knows nothing.
            learns: Whether the search learns from trials.
        """
        self.names, self.learns, self.source = names, learns, source
        self.learner: Learner | None = source.agent.learner if source is not None and source.resumed else None
        self._config, self._seed = config, seed
        self._rewards: list[float] = []  # that REINFORCE compares a reward with
        self._compiler: BackgroundCompiler | None = None

    def copy(self) -> "DefineByRunLearner":
        """Returns a copy that changes independently."""
        same = copy.copy(self)  # its parts are replaced, never changed
        same._compiler = self._compiler
        return same

    def __getstate__(self) -> dict[str, object]:
        """Leaves out the thread that compiles."""
        return self.__dict__ | {"_compiler": None}

    @property
    def encoding(self) -> Encoding:
        """The encoding of the problem; there is one since the first parameter."""
        return self.current.encoding

    @property
    def space(self) -> SearchSpace:
        """The space as it was discovered last; there is one since the first parameter."""
        return self.encoding.problems[0].space

    @property
    def current(self) -> Learner:
        """The learner; there is one since the first parameter."""
        assert self.learner is not None  # since the first parameter
        return self.learner

    @property
    def sources(self) -> list[ArchivedProblem]:
        """The archived trials of earlier problems, under the names of this search, oldest first."""
        return [] if self.learner is None else [each for each in self.learner.archive if each.name != self.names]

    @property
    def warm_start_size(self) -> int:
        """The number of configurations of earlier problems to be tried first."""
        warm_start = None if self.learner is None else self.learner.warm_start
        return 0 if warm_start is None else int(warm_start.count[0, 0])

    def proposer(self, plan: PlannedTrial) -> Proposer:
        """Returns the proposer of a plan, with the present trust in the transferred policy."""
        learner, name = self.current, _PROPOSERS[plan.proposer]
        if (
            plan.proposer == WARM_START
            and learner.warm_start is not None
            and self.source is not None
            and not self.source.resumed
        ):
            name += f" from {self.source.task(learner.warm_start.origin(0, 0, plan.fingerprint))}"
        if learner.bandit is None or learner.known is None:
            return Proposer(name, None)
        return Proposer(name, round(float(learner.bandit.trust(learner.bandit_config)[0, 0]), 3))

    def transfer_report(self) -> TransferReport | None:
        """Returns the part of the problem that the source had seen; None without a source."""
        learner = self.learner
        if learner is None or learner.known is None or (self.source is not None and self.source.resumed):
            return None
        return transfer_report(learner.known, learner.encoding.problems)

    @property
    def has_learned(self) -> bool:
        """Whether a trial was learned from."""
        return self.learner is not None and self.learner.learned > 0

    def agent(self, best: Sequence[FinishedTrial]) -> Agent | None:
        """Returns the agent that has learned from all trials: before the first parameter, the source.

        Args:
            best: The best trials of the search, whose numbers the agent keeps.
        """
        if self.learner is None:
            return None if self.source is None else self.source.agent
        told = [(trial.actions, numbers_of(trial.actions, trial.values), trial.score) for trial in best[:WITH_NUMBERS]]
        return Agent.of(note(self.learner, [archive_of_trials(*self.names, told)] if told else []))

    def reseed(self, seed: int) -> None:
        """Draws other random numbers from now on."""
        self._seed = seed
        if self.learner is not None:
            self.learner = dataclasses.replace(self.learner, seed=seed)

    def follow(self, space: DefineByRunSpace) -> None:
        """Discovers the space anew, and grows with it; before the first reward the learner is made anew.

        Raises:
            ValueError: `fill` has a value that its parameter cannot have.
        """
        problem, min_shapes = Problem(space.discovered(), self.names[1]), shapes_for(space.parameters.actions)
        learner, source = self.learner, self.source
        sampled = 0 if learner is None else learner.sampled
        if learner is not None and learner.learned:
            learner = grow(learner, (problem,), min_shapes)
            if learner.warm_start is not None and source is not None:
                learner = source.with_warm_start(learner, space.domains)
        elif source is None:
            learner = new_learner((problem,), self._config, self._seed, min_shapes=min_shapes)
        else:
            learner = source.transferred(problem, self._config, self._seed, space.domains, min_shapes)
        self.learner = dataclasses.replace(learner, sampled=sampled, seed=self._seed)
        self._start_compiler()

    def count(self, number: int) -> None:
        """Takes note that a trial of this number was asked for."""
        self.learner = dataclasses.replace(self.current, sampled=max(self.current.sampled, number) + 1)

    def learn(self, trajectory: Trajectory, score: Score, proposer: int, others: bool) -> None:
        """Learns from a trial.

        Args:
            trajectory: The trajectory of the trial, in the encoding of this learner.
            score: The score of the trial.
            proposer: The proposer, see `PlannedTrial`.
            others: Whether the trial was not asked for here.
        """
        followed = None
        if self.current.config.rule.reward_scale:
            self._add_rewards([score])
            followed = np.array([winsorise(score, self._rewards)])
        if self._compiler is not None:
            self._compiler.wait_for_update()
        told = (
            np.array([score.reward]),
            np.array([max(proposer, NOBODY)], np.int32),
            np.array([score.outcome], np.int32),
        )
        # The trial after one of the surrogate's is the policy's: it learns from both then.
        waits = proposer == SURROGATE
        self.learner = learn(self.current, ROW, as_batch(trajectory), *told, followed, others=others, waits=waits)

    def learn_many(self, configs: Sequence[Mapping[str, Action]], scores: Sequence[Score], steps: int) -> None:
        """Learns from trials that were not asked for here, in a number of steps."""
        trajectories = self.encoding.sequences([0] * len(configs), configs)
        self._add_rewards(scores)
        if self._compiler is not None:
            self._compiler.wait_for_update()
        stacked = Trajectory(*(leaf[None] for leaf in trajectories))
        rewards = Scores(*(np.array([each]) for each in zip(*scores, strict=True)))
        self.learner = catch_up(self.current, ROW, stacked, rewards, steps)

    def fail(self, config: Mapping[str, Action], proposer: int) -> None:
        """Takes note of a failed trial: no policy learns from the trial, and the warm start does not try it again.

        Args:
            config: The configuration of the trial.
            proposer: The proposer, see `PlannedTrial`.
        """
        trajectory = as_batch(self.encoding.sequence(0, config))
        self.learner = fail(self.current, ROW, trajectory, np.array([proposer], np.int32))

    def to_json(self) -> Json:
        """Returns as JSON all but the learner."""
        return {"rewards": self._rewards}

    def restore(self, learner: Learner, value: Json) -> None:
        """Continues from a learner and JSON that were saved.

        Raises:
            LookupError, TypeError, ValueError: The learner has other problems, or the JSON is not from `to_json`.
        """
        [problem] = learner.encoding.problems  # else it is no search
        if problem.name != self.names:
            raise ValueError(f"it searches {problem.name}, not {self.names}")
        rewards = [*value["rewards"]]
        if not all(isinstance(reward, float) for reward in rewards):
            raise TypeError("a reward is no number")
        self.learner, self._seed, self._rewards = learner, learner.seed, rewards
        self._start_compiler()

    def _start_compiler(self) -> None:
        if self._compiler is None and self.learns:
            self._compiler = BackgroundCompiler(self.current, proposes=False)

    def _add_rewards(self, scores: Sequence[Score]) -> None:
        """Keeps the latest finite rewards."""
        finite = [score.reward for score in scores if score.outcome == TrialOutcome.FINITE]
        self._rewards = [*self._rewards, *finite][-_RECENT:]


def winsorise(score: Score, rewards: Sequence[float]) -> float:
    """Returns the reward of a trial on the scale of other rewards, since REINFORCE depends on sizes, not only on order.

    Args:
        score: The score of the trial.
        rewards: Finite rewards, among them that of the trial if that is finite.

    Example:
        ```python
        assert winsorise(Score.of(2.0), [1.0, 2.0, 3.0]) == 0.5
        ```
    """
    if score.outcome != TrialOutcome.FINITE:
        return 0.5 + 0.25 * math.copysign(_FAR, score.outcome)
    # The largest numbers have no difference; a power of two rounds nothing.
    size = 2.0 ** (math.frexp(max(map(abs, rewards)))[1] - 1)
    low, middle, high = np.quantile(np.array(rewards) / size, (0.25, 0.5, 0.75))
    return 0.5 + 0.25 * float(np.clip((score.reward / size - middle) / ((high - low) or 1.0 / size), -_FAR, _FAR))
