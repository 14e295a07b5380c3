"""`TransferSampler`: a sampler of Optuna's that starts from what earlier studies taught, and learns from this one."""

import itertools
import logging
import os
import secrets
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any, Literal

import optuna
from optuna.distributions import BaseDistribution, CategoricalDistribution, FloatDistribution, IntDistribution
from optuna.study import StudyDirection
from optuna.trial import FrozenTrial, TrialState

from ..agent import Agent
from ..learning.config import TrainingConfig
from ..ledger import Ledger
from ..open_search import OpenSearch
from ..plans import Made
from ..searcher import Locked, check_seed
from ..spaces.condition import Action
from ..spaces.domain import Categories, Domain, Numbers
from .arguments import agent_of, check_known, check_name, check_on_failure

_LOGGER = logging.getLogger(__name__)

SPACE = "optuna"
"""The name of the spaces of all studies, which are then taken for versions of one, unless said otherwise."""

_AT_ONCE = 64  # so many trials that are being asked for are kept in mind

_PRUNED = -1e36  # the reward of a trial that was pruned: behind every one that came to its end, but for infinite ones


class TransferSampler(Locked, optuna.samplers.BaseSampler):
    """Answers `suggest_*` by an agent: `optuna.create_study(sampler=TransferSampler("agent.safetensors"))`.

    It learns from the study's storage, whoever ran a trial and whichever sampler proposed it, and from each trial once.
    Spaces may be conditional, and ranges may change. Threads may share a sampler, and processes a storage. After a
    search, `sampler.save(path)` keeps what was learned for the next one; a sampler that is used in a second study
    starts there from what the first one taught.
    """

    def __init__(
        self,
        agent: Agent | str | os.PathLike[str] | None = None,
        *,
        space: str = SPACE,
        task: str | None = None,
        seed: int | None = None,
        learn: bool = True,
        on_failure: Literal["ignore", "worst"] = "ignore",
        rename: Mapping[str, str] | None = None,
        fill: Mapping[str, Action] | None = None,
        config: TrainingConfig | None = None,
    ) -> None:
        """Creates the sampler.

        Args:
            agent: what it starts from: an agent or its file; None for an agent that knows nothing.
            space: the name of the search space; spaces of one name are taken for versions of one space.
            task: the name of what is measured; the study's name by default.
            seed: of everything random, a whole number of at least 0; None for one that nobody chose.
            learn: whether it learns from the study's trials.
            on_failure: what a trial that failed says: "ignore" for nothing but that its configuration is not proposed
                again, if it has no number that could be another one of its bin; "worst" for that it is worse than all
                others.
            rename: from names of parameters that the agent knows to names in this study that mean the same.
            fill: what parameters of this study were before they were parameters, such as `{"dropout": 0.0}`.
            config: hyperparameters; the agent's by default.

        Raises:
            CheckpointError, OSError: the file can not be read.
            TypeError, ValueError: an argument is not as said above.
        """
        check_on_failure(on_failure)
        check_name("space is named by", space)
        check_name("task is named by", task, optional=True)
        super().__init__()
        self._source = agent_of(agent)
        check_known(rename or (), self._source)
        self._space, self._task, self._learn, self._on_failure = space, task, learn, on_failure
        self._rename, self._fill, self._config = dict(rename or {}), dict(fill or {}), config
        self._seed = secrets.randbits(63) if seed is None else check_seed(seed)
        self._ledger = Ledger() if self._source is None else self._source.ledger.copy()
        self._searches: dict[str, _Search] = {}

    @property
    def agent(self) -> Agent:
        """The agent, after it learned from all that the studies of this sampler have finished by now.

        Raises:
            ValueError: it knows nothing, and was asked for nothing yet.
        """
        with self._lock:
            self._catch_up()
            found = self._latest()
            if found is None:
                raise ValueError(
                    "the sampler has no agent before it was asked for a parameter; give it one, or run a study with it "
                    "(Optuna asks for none that has one value alone)"
                )
            if found is not self._source:
                found.ledger = self._ledger.copy()
            return found

    def save(self, path: str | os.PathLike[str]) -> "os.PathLike[str]":
        """Writes the agent to a file, for the next search, and returns the path; see `agent` and `Agent.save`."""
        return self.agent.save(path)

    def reseed_rng(self) -> None:
        """Draws other random numbers from now on; Optuna asks for it where trials run at the same time."""
        with self._lock:
            self._seed = secrets.randbits(63)
            for search in self._searches.values():
                search.search.reseed(self._seed)

    def infer_relative_search_space(self, study: optuna.Study, trial: FrozenTrial) -> dict[str, BaseDistribution]:
        """Returns nothing: each parameter is answered when it is asked for, given what came before it.

        Raises:
            ValueError: the study has several objectives.
        """
        _check_single(study)
        return {}

    def sample_relative(
        self, study: optuna.Study, trial: FrozenTrial, search_space: dict[str, BaseDistribution]
    ) -> dict[str, Any]:
        """Returns nothing, see `infer_relative_search_space`."""
        _check_single(study)
        return {}

    def sample_independent(
        self, study: optuna.Study, trial: FrozenTrial, param_name: str, param_distribution: BaseDistribution
    ) -> Any:
        """Returns a value for the next parameter of a trial.

        Raises:
            ValueError: the study has several objectives.
        """
        _check_single(study)
        with self._lock:
            search = self._search(study)
            if self._learn and search.caught_up < trial.number:
                search.catch_up(self._ledger)
                search.caught_up = trial.number
            domain = search.domain(param_name, param_distribution)
            return search.search.suggest(trial.number, search.made(trial), param_name, domain)

    def _search(self, study: optuna.Study) -> "_Search":
        name, storage = study.study_name, study._storage
        for known in self._searches.values():
            if known.storage is storage and known.study_id == study._study_id and known.name == name:
                return known
        self._catch_up()
        record = record_of(name, storage.get_all_trials(study._study_id, deepcopy=False)[0])
        if record in self._searches:  # loaded again
            self._searches[record].storage, self._searches[record].study_id = storage, study._study_id
            return self._searches[record]
        source = self._latest()
        search = OpenSearch(
            self._space,
            self._task or name,
            self._config,
            self._seed,
            source,
            self._rename,
            self._fill,
            self._learn,
            resumes=source is self._source and record in self._ledger,
        )
        self._searches[record] = _Search(
            search, storage, study._study_id, name, sign_of(study), self._on_failure, {}, {}
        )
        return self._searches[record]

    def _catch_up(self) -> None:
        for search in self._searches.values() if self._learn else ():
            with suppress(KeyError):  # the study was deleted
                search.catch_up(self._ledger)

    def _latest(self) -> Agent | None:
        """Returns the agent of the study that was begun last, or what the sampler started from."""
        for search in reversed(self._searches.values()):
            if (agent := search.search.agent()) is not None:
                return agent
        return self._source


@dataclass
class _Search:
    """What a sampler knows of one study."""

    search: OpenSearch
    storage: optuna.storages.BaseStorage
    study_id: int
    name: str
    sign: float
    on_failure: str
    domains: dict[str, tuple[BaseDistribution, Domain]]
    unfinished: dict[int, None]
    seen: int = 0
    caught_up: int = -1
    latest: dict[int, dict[str, tuple[Domain, object]]] = field(default_factory=dict)

    def catch_up(self, ledger: Ledger) -> None:
        """Learns from the trials that were finished since, each once; what is not finished is looked at again."""
        trials = self.storage.get_all_trials(self.study_id, deepcopy=False)
        if not trials:
            return
        record = record_of(self.name, trials[0])
        self.unfinished |= dict.fromkeys(range(self.seen, len(trials)))
        self.seen = len(trials)
        for number in list(self.unfinished):
            trial = trials[number]
            if not trial.state.is_finished():
                continue
            known = ledger.has(record, number)
            self._learn_from(trial, known)
            if not known:
                ledger.add(record, number)
            del self.unfinished[number]  # only now: an interrupt must not lose what was not looked at yet

    def domain(self, name: str, distribution: BaseDistribution) -> Domain:
        """Returns what a parameter may be."""
        known = self.domains.get(name)
        if known is None or known[0] != distribution:
            known = self.domains[name] = distribution, domain_of(distribution)
        return known[1]

    def made(self, trial: FrozenTrial) -> Made:
        """Returns the parameters of a trial; those that were there when it was last looked at are as they were."""
        params, distributions = trial.params, trial.distributions
        made = self.latest.pop(trial.number, {})
        if list(itertools.islice(params, len(made))) != list(made):
            made = {}
        for name, value in itertools.islice(params.items(), len(made), None):
            made[name] = self.domain(name, distributions[name]), value
        while len(self.latest) >= _AT_ONCE:
            self.latest.pop(next(iter(self.latest)))
        self.latest[trial.number] = made
        return made

    def _learn_from(self, trial: FrozenTrial, known: bool) -> None:
        """Learns from a trial, or takes it up again where the agent learned from it before this search began."""
        whole, reward = trial.state == TrialState.COMPLETE, reward_of(trial, self.sign, self.on_failure)
        try:
            if known:
                self.search.recall(self.made(trial), reward, whole)
            else:
                self.search.tell(trial.number, self.made(trial), reward, whole)
        except (ValueError, TypeError, ArithmeticError) as error:
            _LOGGER.warning(f"trial {trial.number} of study {self.name!r} is not learned from: {error}")


def domain_of(distribution: BaseDistribution) -> Domain:
    """Returns a distribution of Optuna's as what its values are called.

    Raises:
        TypeError: it is none of Optuna's own.
    """
    match distribution:
        case CategoricalDistribution():
            return Categories(distribution.choices)
        case IntDistribution():
            return Numbers(distribution.low, distribution.high, distribution.log, distribution.step, integer=True)
        case FloatDistribution():
            return Numbers(distribution.low, distribution.high, distribution.log, distribution.step)
    raise TypeError(f"{distribution!r} is no distribution that is known")


def reward_of(trial: FrozenTrial, sign: float, on_failure: str) -> float | None:
    """Returns the reward of a finished trial, higher is better; None for one that says nothing.

    Args:
        trial: the trial.
        sign: 1 where its value is maximised, -1 where it is minimised.
        on_failure: "ignore" or "worst", see `TransferSampler`.
    """
    if trial.state == TrialState.COMPLETE:
        assert trial.value is not None
        return sign * trial.value
    if trial.state == TrialState.PRUNED:  # of those that were, the one that went on for longer did better
        return _PRUNED * (1.0 + 1.0 / (1.0 + max(trial.last_step or 0, 0)))
    return -float("inf") if on_failure == "worst" else None


def sign_of(study: optuna.Study) -> float:
    """Returns 1 where a study maximises, -1 where it minimises."""
    return 1.0 if study.direction == StudyDirection.MAXIMIZE else -1.0


def record_of(study_name: str, first: FrozenTrial) -> str:
    """Returns what a study is known by: its name and when it began, which a copy of it has too."""
    began = "" if first.datetime_start is None else first.datetime_start.isoformat()
    return f"{study_name} {began}".strip()


def _check_single(study: optuna.Study) -> None:
    if study._is_multi_objective():
        raise ValueError(
            f"TransferSampler searches for one objective; study {study.study_name!r} has {len(study.directions)}. Use "
            f"a sampler for several, such as optuna.samplers.NSGAIISampler"
        )
