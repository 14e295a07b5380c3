"""Searching a space that nobody declared: a program asks for one parameter after the other, and may ask for any.

A trial is planned ahead as far as the space is known: a whole configuration is drawn from the policy (or comes from the
memory), under what was taken already, and answers are given from it while the program asks as foreseen. Where it does
not, the rest is drawn anew, under all that was taken in truth. So every answer is the policy's, given what came before;
the past is encoded once for a plan, not for each answer.
"""

import copy
import dataclasses
import heapq
import math
import operator
from collections.abc import Hashable, Mapping, Sequence

import numpy as np
from jaxtyping import Bool, UInt64

from .agent import Agent
from .evidence import EVIDENCE, told_of
from .learning.archive import WITH_NUMBERS, of_trials
from .learning.catching_up import catch_up
from .learning.config import TrainingConfig
from .learning.extension import extend
from .learning.gate import CURIOUS, MEMORY, NEW, TRANSFERRED
from .learning.learner import Learner, fail, learn, new_learner, noted
from .learning.proposing import propose
from .learning.randomness import Use, generator
from .learning.scores import Grade, Score, Scores
from .learning.warm_up import WarmUp
from .plans import (
    BEST,
    NOBODY,
    ROW,
    SURROGATE,
    Best,
    ExpectedBest,
    Made,
    Observed,
    Old,
    Plan,
    Proposer,
    Told,
    as_score,
    batch_of_one,
    inside,
    key_of,
    numbers_of,
    room_for,
    value_of,
    values_of,
    winsorised,
)
from .source import Source
from .spaces.choice import Choice
from .spaces.condition import Action, same
from .spaces.discovery import Parameters, discover
from .spaces.domain import Domain, Numbers
from .spaces.encoding import WIDE
from .spaces.problem import Problem
from .spaces.schema import Json
from .spaces.space import SearchSpace
from .spaces.tables import in_order_asked
from .spaces.trajectory import Trajectory
from .spaces.vocabulary import TransferReport, transfer_report
from .surrogate_proposer import SurrogateProposer
from .unforeseen import Unforeseen

_MOST_PLANS = 1_000  # of trials that nobody will tell about any more, the oldest are given up
_RECENT = 1_000  # so many rewards say what is much
_PROPOSERS = {
    **{TRANSFERRED: "policy", NEW: "new policy", CURIOUS: "curious policy"},
    **{MEMORY: "remembered", SURROGATE: "surrogate"},
}


class OpenSearch:
    """Asks and tells of one problem. No threads may share it; the caller holds a lock."""

    def __init__(
        self,
        space: str,
        task: str,
        config: TrainingConfig | None = None,
        seed: int = 0,
        source: Agent | None = None,
        rename: Mapping[str, str] | None = None,
        fill: Mapping[str, Action] | None = None,
        learns: bool = True,
        resumes: bool = False,
    ) -> None:
        """Begins a search.

        Args:
            space: its name.
            task: its name.
            config: hyperparameters; by default the source's, else `TrainingConfig.fast()`, as they are `inside`.
            seed: of everything random.
            source: the agent that it starts from; None for one that knows nothing.
            rename: from states that the source knows to parameters that mean the same.
            fill: what parameters were before they were asked for.
            learns: whether it learns from what it is told.
            resumes: whether it goes on with the source's own search, if that is of this problem alone.
        """
        self._names, self._seed, self._learns = (space, task), seed, learns
        self._config = config or inside(TrainingConfig.fast() if source is None else source.config)
        own = self._names, self._config.memory, rename or {}, fill or {}
        self._source = None if source is None else Source(source, *own)
        self._learner: Learner | None = None
        self._parameters = Parameters()
        self._grown: dict[str, Domain] = {}  # what was taken up last of each parameter
        self._built: object = None  # the actions that the learner's space was made of
        self._latest: dict[str, Domain] = {}
        self._evidence: list[dict[str, Action]] = []
        self._wholes, self._patience = 0, 0  # after so many whole trials the space is discovered anew, if need be
        self._plans: dict[Hashable, Plan] = {}
        self._unforeseen = Unforeseen()
        self._asked = 0
        self._failed: dict[np.uint64, dict[str, Action]] = {}  # by their keys
        self._elsewhere: dict[Hashable, Observed] = {}
        self._surrogate = SurrogateProposer() if self._config.surrogate else None
        self._choice: dict[int, Choice] = {}  # that each decision is
        self._best = Best()
        # Keys of the best: their bins have other values to try. What was worse is not to come again: else what a policy
        # is wrong about does, for nothing says so loud enough.
        self._again: np.ndarray | None = None
        self._rewards: list[float] = []
        self._warm_up: WarmUp | None = None
        self._resumed = False
        if resumes and source is not None and [problem.name for problem in source.problems] == [self._names]:
            self._resume(source.learner)

    @property
    def learner(self) -> Learner | None:
        """What it knows; None before the first question."""
        return self._learner

    def agent(self) -> Agent | None:
        """Returns the agent that knows what this search does: its source before anything was asked for."""
        if self._learner is None:
            return None if self._source is None else self._source.agent
        told = [
            (trial.actions, numbers_of(trial.actions, trial.values), trial.score)
            for trial in self._best.trials[:WITH_NUMBERS]
        ]
        return Agent.of(noted(self._learner, [of_trials(*self._names, told)] if told else []))

    def expected_best(self) -> ExpectedBest | None:
        """Returns the trial that is expected to be best, by its reward; see `SurrogateProposer.expected_best`.

        None where nothing was told, or there is no surrogate.
        """
        if self._surrogate is None or self._learner is None:
            return None
        found = self._surrogate.expected_best(self._space, self._latest)
        if found is None:
            return None
        values = {name: value_of(found.trial, name, self._latest[name]) for name in found.trial.actions}
        return ExpectedBest(values, found.reward, found.deviation)

    def reseed(self, seed: int) -> None:
        """Draws other random numbers from now on."""
        self._seed = seed
        if self._learner is not None:
            self._learner = dataclasses.replace(self._learner, seed=seed)

    def forked(self) -> "OpenSearch":
        """Returns the search as it is, to go on by itself: what it is told changes nothing here.

        Whoever tells a fork and then puts it in the place of the search is safe from interrupts: all that was told is
        known, or nothing of it.
        """
        fork = copy.copy(self)
        fork._parameters, fork._best = copy.copy(self._parameters), self._best.copy()
        fork._latest, fork._plans, fork._failed = dict(self._latest), dict(self._plans), dict(self._failed)
        fork._unforeseen = self._unforeseen.copy()
        fork._surrogate = None if self._surrogate is None else self._surrogate.copy()
        fork._warm_up = self._warm_up
        return fork

    def __getstate__(self) -> dict[str, object]:
        """Leaves out the thread that compiles."""
        return self.__dict__ | {"_warm_up": None}

    def declare(self, domains: Mapping[str, Domain]) -> None:
        """Takes up parameters before they are asked for, in this order, where a program knows them beforehand.

        Raises:
            ValueError: a name or a value cannot be part of a space.
        """
        self._grow(domains)

    def state(self) -> Json:
        """Returns as JSON what the learner does not hold; trials must be strings or whole numbers."""
        plans = [
            [trial, plan.number, plan.member, plan.actions, dict(plan.observed.numbers)]
            for trial, plan in self._plans.items()
        ]
        kept = {
            "evidence": self._evidence,
            "discovery": [self._wholes, self._patience],
            "failed": [*self._failed.values()],
        }
        if self._surrogate is not None:
            kept["surrogate"] = self._surrogate.to_json()
        return kept | {"rewards": self._rewards, "best": self._best.to_json(), "plans": plans}

    def restore(self, learner: Learner, state: Json) -> None:
        """Goes on as the search would have whose learner and state these are; `declare` says what its domains are.

        Trials that were asked for may be told; they ask for nothing more.

        Raises:
            LookupError, TypeError, ValueError: the state is none of such a learner.
        """
        [problem] = learner.encoding.problems  # else it is no search
        if problem.name != self._names:
            raise ValueError(f"it searches {problem.name}, not {self._names}")
        self._learner, self._asked, self._seed = learner, learner.sampled, learner.seed
        self._parameters, self._latest, self._grown = Parameters(), {}, {}
        self._parameters.take({choice.name: choice.actions for choice in self._space.choices})
        self._built, self._failed = self._parameters.actions, {}
        self._evidence, self._rewards = [*map(dict, state["evidence"])], [*state["rewards"]]
        self._wholes, self._patience = (operator.index(count) for count in state["discovery"])
        self._best = Best.from_json(state["best"])
        if self._surrogate is not None and "surrogate" in state:
            self._surrogate = SurrogateProposer.from_json(state["surrogate"])
        self._plans = {
            trial: Plan(
                operator.index(number),
                operator.index(member),
                actions,
                np.uint64(0),
                {},
                self._values(number),
                numbers=its,
            )
            for trial, number, member, actions, its in state["plans"]
        }
        self._take_up()
        for config in state["failed"]:
            self._avoid(config)
        for config in self._evidence:
            self._key(config)
        if not all(isinstance(reward, float) for reward in self._rewards):
            raise TypeError("a reward is no number")

    def check(self, domains: Mapping[str, Domain]) -> None:
        """Checks what was restored against the domains.

        Raises:
            LookupError, TypeError, ValueError: one of the best trials has not the values that others are found near.
        """
        for trial in self._best.trials:
            for name in trial.actions:
                if isinstance(domain := domains[name], Numbers):
                    domain.position(trial.values[name])  # type: ignore[arg-type]

    def proposer(self, trial: Hashable) -> Proposer | None:
        """Returns who proposed a trial that is not told yet; None where nobody did here, or not all of it."""
        plan, learner = self._plans.get(trial), self._learner
        if plan is None or learner is None or plan.member == NOBODY:
            return None
        name = _PROPOSERS[plan.member]
        if plan.member == MEMORY and self._source is not None and not self._resumed:
            assert learner.memory is not None
            name += f" from {self._source.task(learner.memory.origin(0, 0, plan.key))}"
        if learner.gate is None or learner.known is None:
            return Proposer(name, None)
        return Proposer(name, round(float(learner.gate.trust(learner.config)[0, 0]), 3))

    def transfer_report(self) -> TransferReport | None:
        """Returns what the source had met of the problem, as far as the space is known; None where there is none."""
        learner = self._learner
        if learner is None or learner.known is None or self._resumed:
            return None
        return transfer_report(learner.known, learner.encoding.problems)

    @property
    def remembered(self) -> int:
        """How many configurations of earlier problems are to be tried first."""
        memory = None if self._learner is None else self._learner.memory
        return 0 if memory is None else int(memory.count[0, 0])

    def asked_for(self, trial: Hashable) -> bool:
        """Returns whether a trial was asked for here, and not told yet."""
        return trial in self._plans

    def evaluated_elsewhere(self, trials: Mapping[Hashable, Observed]) -> None:
        """Takes note of the trials that others evaluate at this time, so that none of them is proposed here.

        Args:
            trials: what each took; trials that were asked for here need not be among them.
        """
        self._elsewhere = dict(trials)

    def suggest(self, trial: Hashable, made: Made, name: str, domain: Domain) -> object:
        """Returns a value for the next parameter of a trial.

        Args:
            trial: which one. A whole number counts the trials of all who search; the draws are this trial's own.
            made: its parameters so far, whoever chose their values.
            name: of the parameter that is asked for.
            domain: what it can be.

        Raises:
            ValueError: a name or a value cannot be part of a space.
        """
        plan = self._plans.get(trial)
        if plan is None or not plan.goes_on(made, name, domain):
            if plan is not None and plan.seen == len(made) and self._waits(made, name):
                self._unforeseen.put(plan, name, domain)
            else:
                plan = self._plan(trial, plan, made, name, domain)
        self._latest[name] = domain
        value = plan.given[name] = self._value(plan, name, domain)
        return value

    def _value(self, plan: Plan, name: str, domain: Domain) -> object:
        action, number = plan.actions[name], plan.numbers.get(name)
        if number is not None and isinstance(domain, Numbers) and same(domain.action(number), action):
            return domain.near(number, 0.0, 0.0)  # as it was, as far as the range has it
        before = None if self._source is None or self._resumed else self._source.number(name, action)
        return self._best.value(name, action, domain, plan.rng, before)

    def tell(self, trial: Hashable, made: Made, reward: Score | float | None, whole: bool = True) -> None:
        """Takes the reward of a trial, higher is better.

        Args:
            trial: which one; it need not have been asked for here.
            made: all its parameters.
            reward: may be infinite, but not NaN, or a score; None for a trial that is not learned from, only not
                proposed again.
            whole: whether it came to its end, so that what it did not ask for is no part of its configuration.

        Raises:
            ValueError: the reward is NaN.
        """
        score = as_score(reward)
        plan = self._plans.pop(trial, None)
        if not made or not self._learns:
            return
        config = self._observe(Observed.of(made, score))
        self._forget_expected(made)
        self._grow({name: domain for name, (domain, _) in made.items()})
        if whole:
            self._evidence, self._wholes = [*self._evidence[1 - EVIDENCE :], config], self._wholes + 1
            if not self._space.fits(config) and self._wholes >= self._patience:
                self._rebuild()
                # What nothing explains is tried to be explained the more seldom, for each time takes long.
                self._patience = self._wholes + (0 if self._space.fits(config) else self._wholes // 4)
        assert self._learner is not None
        trajectory = self._learner.encoding.sequence(0, config)
        proposed = plan is not None and plan.actions == config
        member = plan.member if plan is not None and proposed else NOBODY
        batched = batch_of_one(trajectory)
        if score is None:
            self._avoid(config)
            self._learner = fail(self._learner, ROW, batched, np.array([member], np.int32))
            return
        self._remember(score, config, made, key_of(trajectory))
        followed = None
        if self._config.learning == "reinforce":
            if score.grade == Grade.FINITE:
                self._rewards = [*self._rewards[1 - _RECENT :], score.reward]
            followed = np.array([winsorised(score, self._rewards)])
        if self._warm_up is not None:
            self._warm_up.wait_for_update()
        told = np.array([score.reward]), np.array([max(member, NOBODY)], np.int32), np.array([score.grade], np.int32)
        # The next trial is the policy's: it learns from both then.
        waits = member == SURROGATE
        self._learner = learn(self._learner, ROW, batched, *told, followed, others=plan is None, waits=waits)

    def tell_many(self, trials: Sequence[Old], steps: int) -> None:
        """Takes the scores of old trials, as `tell` does one by one, but learns in fewer steps.

        Args:
            trials: none was asked for here; their parameters are declared.
            steps: how often the policy learns.
        """
        wholes = [trial.actions for trial in trials if trial.whole]
        self._evidence, self._wholes = [*self._evidence, *wholes][-EVIDENCE:], self._wholes + len(wholes)
        if not all(self._space.fits(config) for config in self._evidence):
            self._rebuild()
        assert self._learner is not None
        for trial in trials:
            self._observe(trial.observed)
        for trial in heapq.nlargest(BEST, trials, key=lambda trial: trial.score):
            self._remember(trial.score, trial.actions, trial.made, self._key(trial.actions))
        told = self._learner.encoding.sequences([0] * len(trials), [trial.actions for trial in trials])
        scores = [trial.score for trial in trials]
        finite = [score.reward for score in scores if score.grade == Grade.FINITE]
        self._rewards = [*self._rewards, *finite][-_RECENT:]
        if self._warm_up is not None:
            self._warm_up.wait_for_update()
        stacked = Trajectory(*(leaf[None] for leaf in told))
        rewards = Scores(*(np.array([each]) for each in zip(*scores, strict=True)))
        self._learner = catch_up(self._learner, ROW, stacked, rewards, steps)

    def recall(self, made: Made, reward: Score | float | None, whole: bool) -> None:
        """Takes up a trial that the agent learned from before this search began, as `tell` but for the learning."""
        if not made:
            return
        score = as_score(reward)
        config = self._observe(Observed.of(made, score))
        self._grow({name: domain for name, (domain, _) in made.items()})
        if whole:
            self._evidence = [*self._evidence[1 - EVIDENCE :], config]
        if score is None:
            self._avoid(config)
        else:
            self._remember(score, config, made, self._key(config))

    def _observe(self, trial: Observed) -> dict[str, Action]:
        """Takes a trial up among those that the surrogate knows, and returns its actions."""
        if self._surrogate is not None:
            self._surrogate.add(trial)
        return dict(trial.actions)

    def _remember(self, score: Score, config: dict[str, Action], made: Made, key: np.uint64) -> None:
        """Keeps a trial that is one of the best."""
        if self._best.add(Told(score, config, values_of(made), key)):
            self._again = None

    def _avoid(self, config: dict[str, Action]) -> None:
        self._failed.setdefault(self._key(config), config)

    @property
    def _space(self) -> SearchSpace:
        assert self._learner is not None
        return self._learner.encoding.problems[0].space

    def _resume(self, learner: Learner) -> None:
        """Goes on with a search for this problem."""
        self._learner, self._asked, self._resumed = learner, learner.sampled, True
        self._parameters.take({choice.name: choice.actions for choice in self._space.choices})
        self._evidence = told_of(learner, 0)
        self._rebuild()

    def _plan(self, trial: Hashable, earlier: Plan | None, made: Made, name: str, domain: Domain) -> Plan:
        self._grow({**{known: its for known, (its, _) in made.items()}, name: domain})
        assert self._learner is not None
        count = trial if isinstance(trial, int) else self._asked
        number = count if earlier is None else earlier.number
        learner, choices = self._learner, list(self._parameters.actions)
        allowed, planned = self._allowed(made, name, domain), dataclasses.replace(learner, sampled=number)
        asked = [choices.index(known) + 1 for known in (*made, name)]
        if asked != [1]:
            rules, order = in_order_asked(learner.encoding.tables.rules, 0, asked)
            tables = learner.tables._replace(rules=rules, longest=np.array(1 + len(choices), np.int32))
            memory, allowed = learner.memory, allowed[order]
            if memory is not None:
                memory = dataclasses.replace(memory, taken=memory.taken[..., order])
            planned = dataclasses.replace(planned, tables=tables, memory=memory)
        pending = self._pending(trial)
        plan = None if earlier is not None or made else self._refined(trial, number, name, domain)
        if plan is None or name not in plan.actions:
            plan = self._drawn(planned, number, allowed, pending)
        if name not in plan.actions:  # what was best before the transfer did not have it
            plan = self._drawn(dataclasses.replace(planned, memory=None), number, allowed, pending)
        if earlier is not None:
            if earlier.member == MEMORY and learner.learned:  # the program does not ask for it, and never will
                trial_of = batch_of_one(learner.encoding.sequence(0, earlier.actions))
                self._learner = fail(learner, ROW, trial_of, np.array([MEMORY], np.int32))
            plan.given.update(earlier.given)
            plan.rng = earlier.rng
        else:
            self._asked = max(self._asked, number) + 1
            self._learner = dataclasses.replace(learner, sampled=self._asked)
            while len(self._plans) >= _MOST_PLANS:
                self._plans.pop(next(iter(self._plans)))
        self._plans[trial] = plan
        return plan

    def _refined(self, trial: Hashable, number: int, name: str, domain: Domain) -> Plan | None:
        """Returns the surrogate's plan; None where it is not its turn, or it has none."""
        if self._surrogate is None or not self._surrogate.proposes(number):
            return None
        here = [other.observed for known, other in self._plans.items() if known != trial]
        elsewhere = [one for known, one in self._elsewhere.items() if known not in self._plans]
        rng = generator(self._seed, Use.SURROGATE, number)
        domains = {**self._latest, name: domain}
        found = self._surrogate.propose(self._space, domains, [*here, *elsewhere], rng)
        if found is None:
            return None
        actions, numbers = found
        return Plan(number, SURROGATE, actions, self._key(actions), {}, self._values(number), numbers=numbers)

    def _pending(self, trial: Hashable) -> UInt64[np.ndarray, "pending"]:
        """Returns the keys of what is not to be proposed for a trial: what is being evaluated, and what failed."""
        here = [plan.key for known, plan in self._plans.items() if known != trial]
        known = self._parameters.position
        elsewhere = [
            self._key(one.actions)
            for number, one in self._elsewhere.items()
            if number not in self._plans and all(known(*taken) is not None for taken in one.actions.items())
        ]
        return np.array([*here, *elsewhere, *self._failed], np.uint64)

    def _drawn(
        self,
        learner: Learner,
        number: int,
        allowed: Bool[np.ndarray, "choices options"],
        pending: UInt64[np.ndarray, "pending"],
    ) -> Plan:
        if self._again is None:
            self._again = self._best.varied(self._latest)
        _, proposal = propose(learner, pending=pending, allowed=allowed, again=self._again)
        trajectory = Trajectory(*(leaf[0] for leaf in proposal.rollout.trajectory))
        made = slice(1, int(trajectory.length))
        steps = zip(trajectory.decisions[made].tolist(), trajectory.actions[made].tolist(), strict=True)
        actions = {(choice := self._choice[row]).name: choice.actions[action] for row, action in steps}
        member, key = int(proposal.member[0]), key_of(trajectory)
        numbers = self._numbers(key) if member == MEMORY else {}
        return Plan(number, member, actions, key, {}, self._values(number), numbers=numbers)

    def _values(self, number: int) -> np.random.Generator:
        """Returns the generator that draws the values of a trial."""
        return generator(self._seed, Use.VALUE, number)

    def _numbers(self, key: np.uint64) -> dict[str, float]:
        """Returns the numbers that a remembered configuration had, where its actions stand for several."""
        assert self._learner is not None and self._learner.memory is not None
        found = zip(self._space.choices, self._learner.memory.numbers(0, 0, key)[1:].tolist(), strict=False)
        return {choice.name: number for choice, number in found if not math.isnan(number)}

    def _allowed(self, made: Made, name: str, domain: Domain) -> Bool[np.ndarray, "choices options"]:
        """Returns which actions of each choice may be taken, in the order of the space."""
        assert self._learner is not None
        tables = self._learner.encoding.tables
        allowed = np.ones((tables.rules.decision.shape[1], tables.decisions.actions.shape[1]), bool)
        for index, known in enumerate(self._parameters.actions, start=1):
            if known in made:
                its, value = made[known]
                may: tuple[Action, ...] = (its.action(value),)  # type: ignore[arg-type]
            elif known == name or known in self._latest:
                may = (domain if known == name else self._latest[known]).actions
            else:
                continue
            allowed[index] = False
            allowed[index, [self._parameters.position(known, action) or 0 for action in may]] = True
        return allowed

    def _grow(self, domains: Mapping[str, Domain]) -> None:
        """Takes up parameters and actions that were not there."""
        if self._built is self._parameters.actions and all(self._grown.get(n) is d for n, d in domains.items()):
            return
        for name, domain in domains.items():
            if name not in self._parameters.actions:
                Choice(name, domain.actions)  # what cannot be a choice must not be taken up
        parameters = copy.copy(self._parameters)
        grown = parameters.take({name: domain.actions for name, domain in domains.items()})
        if parameters.take(self._unforeseen.taken()) or grown:
            self._parameters = parameters
        for name, domain in domains.items():
            self._latest.setdefault(name, domain)
        self._grown = {**self._grown, **domains}
        if self._built is not self._parameters.actions:  # also where an interrupt came before it was
            self._rebuild()

    def _waits(self, made: Made, name: str) -> bool:
        """Returns whether a parameter is new in a search of many, and the source does not know what comes with it."""
        known = self._parameters.actions
        if name in known or len(known) < WIDE:
            return False
        if self._source is None or self._learner is None or self._learner.learned:
            return True
        source = self._source
        return not self._unforeseen.expect({*made, name}, known, source.agent.problems, self._names[0], source.rename)

    def _forget_expected(self, made: Made) -> None:
        """Forgets what was expected of the first trial that is told, but not asked for."""
        missing, self._unforeseen.expected = self._unforeseen.expected - made.keys(), set()
        if missing:
            self._parameters = self._parameters.without(missing)
            self._plans = {trial: plan for trial, plan in self._plans.items() if not missing & plan.actions.keys()}
            self._rebuild()

    def _rebuild(self) -> None:
        """Finds out the space anew; before anything was told of it, so is what is known of it."""
        actions = self._parameters.actions
        problem = Problem(discover(self._names[0], actions, self._evidence), self._names[1])
        room = room_for(actions)
        if self._learner is not None and self._learner.learned:
            self._learner = extend(self._learner, (problem,), room)
            if self._learner.memory is not None and self._source is not None and not self._resumed:
                self._learner = self._source.remembered(self._learner, self._latest)
        elif self._source is None:
            self._learner = new_learner((problem,), self._config, self._seed, room=room)
        else:
            self._learner = self._source.transferred(problem, self._config, self._seed, self._latest, room)
        self._learner = dataclasses.replace(self._learner, sampled=self._asked, seed=self._seed)
        self._take_up()
        self._built = actions

    def _take_up(self) -> None:
        """Finds what follows from the learner: how decisions and trials are known in it."""
        assert self._learner is not None
        if self._warm_up is None and self._learns:
            self._warm_up = WarmUp(self._learner, proposes=False)
        self._choice = dict(
            zip(self._learner.encoding.tables.rules.decision[0, 1:].tolist(), self._space.choices, strict=False)
        )
        self._failed, self._again = {self._key(config): config for config in self._failed.values()}, None
        self._best.rekey(self._key)
        self._plans = {
            trial: dataclasses.replace(plan, key=self._key(plan.actions)) for trial, plan in self._plans.items()
        }

    def _key(self, config: Mapping[str, Action]) -> np.uint64:
        assert self._learner is not None
        return key_of(self._learner.encoding.sequence(0, config))
