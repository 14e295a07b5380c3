"""The learner of a search of an undeclared space: it begins with the first parameter, and grows with the space."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from ..agent import Agent
from ..learning.archive import WITH_NUMBERS, ArchivedProblem, archive_of_trials
from ..learning.bandit import PROPOSER_NAMES, WARM_START
from ..learning.compilation import BackgroundCompiler
from ..learning.config import TrainingConfig
from ..learning.growth import grow
from ..learning.learner import Learner, fail, learn, new_learner, note
from ..learning.scores import Score, Scores, TrialOutcome
from ..learning.studying import catch_up
from ..spaces.condition import Action, Config
from ..spaces.domain import Domain
from ..spaces.encoding import Encoding
from ..spaces.problem import Problem
from ..spaces.schema import Json
from ..spaces.space import SearchSpace
from ..spaces.trajectory import Trajectory
from ..spaces.vocabulary import TransferReport, transfer_report
from .plans import ROW, PlannedTrial, Proposer, numbers_of, shapes_for
from .source import SourceAgent
from .space import DefineByRunSpace, recent_configs
from .trials import FinishedTrial

# Not for tuning. These numbers protect REINFORCE from values far from all others, and change no others.
_RECENT = 1_000  # rewards that give the scale
_FAR = 3.0  # interquartile ranges from the median; rewards farther away count as this far

_SETTLING_SECONDS = 0.1  # between two parameters of a program that only asks for them


@dataclass(frozen=True)
class DefineByRunLearner:
    """The learner of a search, as a value: what learns returns another one.

    Attributes:
        names: The names of the space and the task.
        config: The hyperparameters.
        seed: The seed of all random numbers.
        source: The agent that the search starts from; None for an agent that knows nothing.
        learns: Whether the search learns from trials.
        learner: The learner; None before the first parameter.
        parameters: The actions of each parameter for which the space was discovered last.
        rewards: The rewards that REINFORCE compares a reward with.
        compiler: The thread that compiles; None before the first trial, in a copy, and where nothing is learned.
    """

    names: tuple[str, str]
    config: TrainingConfig
    seed: int
    source: SourceAgent | None
    learns: bool
    learner: Learner | None = None
    parameters: Mapping[str, tuple[Action, ...]] | None = None
    rewards: tuple[float, ...] = ()
    compiler: BackgroundCompiler | None = None

    def __getstate__(self) -> dict[str, object]:
        """Leaves out the thread that compiles."""
        return self.__dict__ | {"compiler": None}

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
        """Returns the proposer of a plan, with the present trust in the transferred policy if it knew something."""
        learner, name = self.current, PROPOSER_NAMES[plan.proposer]
        if plan.proposer == WARM_START and (source := self._source_of(plan)) is not None:
            name += f" from {source}"
        nothing_known = learner.unseen.seen_fraction[0] == 0 and self.warm_start_size == 0
        if learner.bandit is None or nothing_known:
            return Proposer(name, None)
        return Proposer(name, round(float(learner.bandit.trust(learner.bandit_config)[0, 0]), 3))

    def _source_of(self, plan: PlannedTrial) -> str | None:
        """Returns the task of the earlier problem that a plan of the warm start comes from; None if it is not known."""
        learner = self.current
        at = len(learner.archive) if learner.warm_start is None else learner.warm_start.origin(0, 0, plan.fingerprint)
        name = learner.archive[at].name if at < len(learner.archive) else None
        # An archive that is full lets the source go, and has this problem in its place.
        lost = name == self.names and self.names not in [past[:2] for past in learner.past]
        return None if name is None or lost else name[1]

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

    def reseeded(self, seed: int) -> "DefineByRunLearner":
        """Returns the learner with another seed."""
        return replace(self, seed=seed, learner=None if self.learner is None else replace(self.learner, seed=seed))

    def grown(self, space: DefineByRunSpace, failed: Sequence[Config] = ()) -> "DefineByRunLearner":
        """Returns the learner of the space as it is discovered now; before the first reward it is made anew.

        Args:
            space: The space, as far as it is known.
            failed: The configurations of failed trials.

        Raises:
            ValueError: `fill` has a value that its parameter cannot have.
        """
        parameters = space.parameters.actions
        learner, source = self.learner, self.source
        stopped = [*failed]
        if space.has_unmet and learner is not None:
            stopped += recent_configs(learner, 0)  # pruned trials are among them
        problem, min_shapes = Problem(space.discovered(stopped), self.names[1]), shapes_for(parameters)
        sampled = 0 if learner is None else learner.sampled
        if learner is not None and learner.learned:
            learner = grow(learner, (problem,), min_shapes)
            if learner.warm_start is not None and source is not None:
                learner = source.with_warm_start(learner, space.domains)
        elif source is None:
            learner = new_learner((problem,), self.config, self.seed, min_shapes=min_shapes)
        else:
            learner = source.transferred(problem, self.config, self.seed, space.domains, min_shapes)
        return self._with(replace(learner, sampled=sampled, seed=self.seed), parameters)

    def in_turn(self, turn: int, domains: Mapping[str, Domain]) -> Learner | None:
        """Returns the learner that plans a trial of a search that begins, while other workers evaluate trials.

        Workers that begin at the same moment know little of each other's parameters, but all of them have the earlier
        configurations in one order. So each takes the one of its turn.

        Args:
            turn: The number of running trials that began before the trial.
            domains: The parameters, as far as they are known.

        Returns:
            The learner without the earlier configurations of the turns before. None once a trial was told, because a
            worker may have died, and its configuration would not be tried; or if there are no earlier configurations.
        """
        if self.has_learned or not self.learns or self.source is None or self.current.warm_start is None:
            return None
        return self.source.with_warm_start(self.current, domains, turn)

    def beside(self, running: Sequence[Mapping[str, Action]], domains: Mapping[str, Domain]) -> Learner:
        """Returns the learner that plans a trial while others evaluate trials with parameters that are unknown here.

        Args:
            running: The actions of these trials, which are none of the learner's earlier configurations.
            domains: The parameters, as far as they are known.
        """
        if self.source is None or self.current.warm_start is None:
            return self.current
        return self.source.with_warm_start(self.current, domains, running=running)

    def asked(self, number: int) -> "DefineByRunLearner":
        """Returns the learner after a trial of this number was asked for."""
        learner, compiler = replace(self.current, sampled=max(self.current.sampled, number) + 1), self.compiler
        if compiler is None and self.learns:
            # Further parameters of the trial come at once, and change the shapes, unless the program computes first.
            compiler = BackgroundCompiler(learner, proposes=False, settling=_SETTLING_SECONDS)
        return replace(self, learner=learner, compiler=compiler)

    def learned(
        self, trajectory: Trajectory, score: Score, proposer: int, others: bool, waits: bool
    ) -> "DefineByRunLearner":
        """Returns the learner after a trial.

        Args:
            trajectory: The trajectory of the trial, in the encoding of this learner.
            score: The score of the trial.
            proposer: The proposer, see `PlannedTrial`.
            others: Whether the trial was not asked for here.
            waits: Whether the policy waits for the next trial, and learns from both then.
        """
        followed, rewards = None, self.rewards
        if self.current.config.rule.reward_scale:
            rewards = self._rewards_with([score])
            followed = np.array([winsorise(score, rewards)])
        if self.compiler is not None:
            self.compiler.wait_for_update()
        told = (
            np.array([score.reward]),
            np.array([proposer], np.int32),
            np.array([score.outcome], np.int32),
        )
        learner = learn(self.current, ROW, trajectory.at(None), *told, followed, others=others, waits=waits)
        return replace(self, learner=learner, rewards=rewards)

    def learned_many(
        self, configs: Sequence[Mapping[str, Action]], scores: Sequence[Score], steps: int
    ) -> "DefineByRunLearner":
        """Returns the learner after trials that were not asked for here, in a number of steps."""
        trajectories = self.encoding.sequences([0] * len(configs), configs)
        if self.compiler is not None:
            self.compiler.wait_for_update()
        batch = Scores(*(np.array([each]) for each in zip(*scores, strict=True)))
        learner = catch_up(self.current, ROW, trajectories.at(None), batch, steps)
        return replace(self, learner=learner, rewards=self._rewards_with(scores))

    def failed(self, config: Mapping[str, Action], proposer: int) -> "DefineByRunLearner":
        """Returns the learner after a failed trial: no policy learns from it, the warm start does not try it again.

        Args:
            config: The configuration of the trial.
            proposer: The proposer, see `PlannedTrial`.
        """
        trajectory = self.encoding.sequence(0, config).at(None)
        return replace(self, learner=fail(self.current, ROW, trajectory, np.array([proposer], np.int32)))

    def without_start(self, planned: Mapping[str, Action], config: Mapping[str, Action]) -> "DefineByRunLearner":
        """Returns the learner whose warm start does not try a plan again of which a trial made something else.

        Args:
            planned: The actions of the plan, which may lack parameters that the program did not ask for.
            config: The configuration of the trial.
        """
        found, warm_start = self, self.current.warm_start
        if warm_start is None:
            return self
        for slot in range(self.warm_start_size):
            its = self.encoding.config_of_indices(0, warm_start.action_indices[0, 0, slot])
            if planned.items() <= its.items() and its != config:
                found = found.failed(its, WARM_START)
        return found

    def to_json(self) -> Json:
        """Returns as JSON all but the learner."""
        return {"rewards": list(self.rewards)}

    def restored(self, learner: Learner, value: Json, space: DefineByRunSpace) -> "DefineByRunLearner":
        """Returns the learner that continues from a learner and JSON that were saved, for the space of that learner.

        Raises:
            LookupError, TypeError, ValueError: The learner has other problems, or the JSON is not from `to_json`.
        """
        [problem] = learner.encoding.problems  # else it is no search
        if problem.name != self.names:
            raise ValueError(f"it searches {problem.name}, not {self.names}")
        rewards = [*value["rewards"]]
        if not all(isinstance(reward, float) for reward in rewards):
            raise TypeError("a reward is no number")
        return replace(self, seed=learner.seed, rewards=tuple(rewards))._with(learner, space.parameters.actions)

    def _with(self, learner: Learner, parameters: Mapping[str, tuple[Action, ...]]) -> "DefineByRunLearner":
        """Returns this with another learner, for other parameters."""
        if self.compiler is not None:
            self.compiler.grown(learner)
        return replace(self, learner=learner, parameters=parameters)

    def _rewards_with(self, scores: Sequence[Score]) -> tuple[float, ...]:
        """Returns the latest finite rewards, those of further trials among them."""
        finite = [score.reward for score in scores if score.outcome == TrialOutcome.FINITE]
        return (*self.rewards, *finite)[-_RECENT:]


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
