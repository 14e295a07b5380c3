"""Searching a space that nobody declared: a program asks for one parameter after the other, and may ask for any.

A trial is planned ahead as far as the space is known: a whole configuration is drawn from the policy (or comes from the
memory), under what was taken already, and answers are given from it while the program asks as foreseen. Where it does
not, the rest is drawn anew, under all that was taken in truth. So every answer is the policy's, given what came before;
the past is encoded once for a plan, not for each answer.
"""

import dataclasses
import math
from collections.abc import Hashable, Mapping

import numpy as np
from jaxtyping import Bool, UInt64

from .agent import Agent
from .learning.config import TrainingConfig
from .learning.extension import extend
from .learning.gate import MEMORY
from .learning.learner import Learner, fail, learn, new_learner
from .learning.proposing import propose
from .learning.randomness import Use, generator
from .learning.transfer import remembered, transfer
from .learning.warm_up import WarmUp
from .plans import (
    EVIDENCE,
    ROW,
    Best,
    Made,
    Plan,
    Told,
    actions_of,
    batch_of_one,
    bounded,
    filled,
    inside,
    key_of,
    room_for,
    told_of,
    winsorised,
)
from .spaces.choice import Choice
from .spaces.condition import Action
from .spaces.discovery import Parameters, discover
from .spaces.domain import Domain
from .spaces.encoding import WIDE, Trajectory, in_order_asked
from .spaces.problem import Problem
from .spaces.schema import Json
from .spaces.space import SearchSpace
from .unforeseen import Unforeseen

_MOST_PLANS = 1_000  # of trials that nobody will tell about any more, the oldest are given up
_RECENT = 1_000  # so many rewards say what is much


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
        self._source, self._rename, self._fill = source, dict(rename or {}), dict(fill or {})
        self._config = config or inside(TrainingConfig.fast() if source is None else source.config)
        self._learner: Learner | None = None
        self._parameters = Parameters()
        self._latest: dict[str, Domain] = {}
        self._evidence: list[dict[str, Action]] = []
        self._wholes, self._patience = 0, 0  # after so many whole trials the space is discovered anew, if need be
        self._plans: dict[Hashable, Plan] = {}
        self._unforeseen = Unforeseen()
        self._asked = 0
        self._failed: list[dict[str, Action]] = []
        self._failed_keys: list[np.uint64] = []
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
        return self._source if self._learner is None else Agent.of(self._learner)

    def reseed(self, seed: int) -> None:
        """Draws other random numbers from now on."""
        self._seed = seed
        if self._learner is not None:
            self._learner = dataclasses.replace(self._learner, seed=seed)

    def __getstate__(self) -> dict[str, object]:
        """Leaves out the thread that compiles."""
        return self.__dict__ | {"_warm_up": None}

    def declare(self, domains: Mapping[str, Domain]) -> None:
        """Takes up parameters before they are asked for, in this order, where a program knows them beforehand.

        Raises:
            ValueError: a name or a value can not be part of a space.
        """
        self._grow(domains)

    def state(self) -> Json:
        """Returns as JSON what the learner does not hold; trials must be strings or whole numbers."""
        plans = [[trial, plan.number, plan.member, plan.actions] for trial, plan in self._plans.items()]
        kept = {"evidence": self._evidence, "discovery": [self._wholes, self._patience], "failed": self._failed}
        return kept | {"rewards": self._rewards, "best": self._best.to_json(), "plans": plans}

    def restore(self, learner: Learner, state: Json) -> None:
        """Goes on as the search would have whose learner and state these are; `declare` says what its domains are.

        Trials that were asked for may be told; they ask for nothing more.
        """
        self._learner, self._asked, self._seed = learner, learner.sampled, learner.seed
        self._parameters, self._latest = Parameters(), {}
        self._parameters.take({choice.name: choice.actions for choice in self._space.choices})
        self._evidence, self._failed, self._rewards = state["evidence"], state["failed"], state["rewards"]
        self._wholes, self._patience = state["discovery"]
        self._best = Best.from_json(state["best"])
        self._plans = {
            trial: Plan(number, member, actions, np.uint64(0), {}, generator(self._seed, Use.VALUE, number))
            for trial, number, member, actions in state["plans"]
        }
        self._take_up()

    def suggest(self, trial: Hashable, made: Made, name: str, domain: Domain) -> object:
        """Returns a value for the next parameter of a trial.

        Args:
            trial: which one.
            made: its parameters so far, whoever chose their values.
            name: of the parameter that is asked for.
            domain: what it can be.

        Raises:
            ValueError: a name or a value can not be part of a space.
        """
        plan = self._plans.get(trial)
        if plan is None or not plan.goes_on(made, name, domain):
            if plan is not None and plan.seen == len(made) and self._waits(made, name):
                self._unforeseen.put(plan, name, domain)
            else:
                plan = self._plan(trial, plan, made, name, domain)
        self._latest[name] = domain
        value = plan.given[name] = self._best.value(name, plan.actions[name], domain, plan.rng)
        return value

    def tell(self, trial: Hashable, made: Made, reward: float | None, whole: bool = True) -> None:
        """Takes the reward of a trial, higher is better.

        Args:
            trial: which one; it need not have been asked for here.
            made: all its parameters.
            reward: may be infinite, but not NaN; None for a trial that is not learned from, only not proposed again.
            whole: whether it came to its end, so that what it did not ask for is no part of its configuration.

        Raises:
            ValueError: the reward is NaN.
        """
        if reward is not None and math.isnan(reward):
            raise ValueError(f"trial {trial} was told the reward {reward}; a trial without one is told None")
        plan = self._plans.pop(trial, None)
        if not made or not self._learns:
            return
        config = actions_of(made)
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
        member = plan.member if plan is not None and proposed else -1
        batched = batch_of_one(trajectory)
        if reward is None:
            self._avoid(config)
            self._learner = fail(self._learner, ROW, batched, np.array([member], np.int32))
            return
        told = bounded(reward)
        self._remember(told, config, made, key_of(trajectory))
        if self._config.learning == "reinforce":
            self._rewards = [*self._rewards[1 - _RECENT :], told]
            told = winsorised(self._rewards)
        if self._warm_up is not None:
            self._warm_up.wait_for_update()
        self._learner = learn(self._learner, ROW, batched, np.array([told]), np.array([member], np.int32))

    def recall(self, made: Made, reward: float | None, whole: bool) -> None:
        """Takes up a trial that the agent learned from before this search began, as `tell` but for the learning."""
        if not made:
            return
        config = actions_of(made)
        self._grow({name: domain for name, (domain, _) in made.items()})
        if whole:
            self._evidence = [*self._evidence[1 - EVIDENCE :], config]
        if reward is None:
            self._avoid(config)
        else:
            self._remember(bounded(reward), config, made, self._key(config))

    def _remember(self, reward: float, config: dict[str, Action], made: Made, key: np.uint64) -> None:
        """Keeps a trial that is one of the best."""
        if self._best.add(Told(reward, config, {name: value for name, (_, value) in made.items()}, key)):
            self._again = None

    def _avoid(self, config: dict[str, Action]) -> None:
        key = self._key(config)
        if key not in self._failed_keys:
            self._failed.append(config)
            self._failed_keys.append(key)

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
        number = self._asked if earlier is None else earlier.number
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
        others = [plan.key for known, plan in self._plans.items() if known != trial]
        pending = np.array([*others, *self._failed_keys], np.uint64)
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
            self._asked += 1
            self._learner = dataclasses.replace(learner, sampled=self._asked)
            while len(self._plans) >= _MOST_PLANS:
                self._plans.pop(next(iter(self._plans)))
        self._plans[trial] = plan
        return plan

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
        rng = generator(self._seed, Use.VALUE, number)
        return Plan(number, int(proposal.member[0]), actions, key_of(trajectory), {}, rng)

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
        for name, domain in domains.items():
            if name not in self._parameters.actions:
                Choice(name, domain.actions)  # what can not be a choice must not be taken up
        grown = self._parameters.take({name: domain.actions for name, domain in domains.items()})
        grown |= self._parameters.take(self._unforeseen.taken())
        for name, domain in domains.items():
            self._latest.setdefault(name, domain)
        if grown or self._learner is None:
            self._rebuild()

    def _waits(self, made: Made, name: str) -> bool:
        """Returns whether a parameter is new in a search of many, and the source does not know what comes with it."""
        known = self._parameters.actions
        if name in known or len(known) < WIDE:
            return False
        problems = self._source.problems if self._source and self._learner and not self._learner.learned else ()
        return not self._unforeseen.expect({*made, name}, known, problems, self._names[0], self._rename)

    def _forget_expected(self, made: Made) -> None:
        """Forgets what was expected of the first trial that is told, but not asked for."""
        missing, self._unforeseen.expected = self._unforeseen.expected - made.keys(), set()
        if missing:
            self._parameters.drop(missing)
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
                rename, fill = self._translated(self._source.learner)
                memory = remembered(
                    self._source.learner, self._learner.encoding, self._config, self._seed, rename, fill
                )
                self._learner = dataclasses.replace(self._learner, memory=memory)
        elif self._source is None:
            self._learner = new_learner((problem,), self._config, self._seed, room=room)
        else:
            source = self._source.learner
            rename, fill = self._translated(source)
            self._learner = transfer(source, (problem,), self._config, self._seed, rename, fill, room)
        self._learner = dataclasses.replace(self._learner, sampled=self._asked, seed=self._seed)
        self._take_up()

    def _take_up(self) -> None:
        """Finds what follows from the learner: how decisions and trials are known in it."""
        assert self._learner is not None
        if self._warm_up is None and self._learns:
            self._warm_up = WarmUp(self._learner, proposes=False)
        self._choice = dict(
            zip(self._learner.encoding.tables.rules.decision[0, 1:].tolist(), self._space.choices, strict=False)
        )
        self._failed_keys, self._again = [self._key(config) for config in self._failed], None
        self._best.rekey(self._key)
        for plan in self._plans.values():
            plan.key = self._key(plan.actions)

    def _translated(self, source: Learner) -> tuple[dict[str, str], dict[str, Action]]:
        """Returns what of `rename` and `fill` concerns what is known by now."""
        states = source.vocabulary.states
        rename = {old: new for old, new in self._rename.items() if old in states and new not in states}
        return rename, {
            name: filled(self._latest[name], name, value) for name, value in self._fill.items() if name in self._latest
        }

    def _key(self, config: Mapping[str, Action]) -> np.uint64:
        assert self._learner is not None
        return key_of(self._learner.encoding.sequence(0, config))
