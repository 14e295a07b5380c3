"""`TransferSampler`: a sampler of Optuna's that starts from what earlier studies taught, and learns from this one."""

import dataclasses
import logging
import os
import secrets
from collections.abc import Mapping, Sequence
from typing import Any, Literal

from ..extras import needed

with needed("optuna", __name__):
    import optuna
    from optuna.distributions import BaseDistribution
    from optuna.trial import FrozenTrial, TrialState

from ..agent import Agent
from ..checkpoint.processed_trials import ProcessedTrials
from ..define_by_run.networks import KeyFn, TrialNetworks
from ..define_by_run.plans import ExpectedBest
from ..define_by_run.search import DefineByRunSearch
from ..learning.config import TrainingConfig
from ..processes.locks import Locked
from ..searcher import check_seed
from ..spaces.condition import Action
from .arguments import as_agent, check_key, check_name, check_on_failure, check_rename
from .optuna_study import TO_USER, Progress, StudySearch
from .optuna_trials import sign_of, stamp_of, task_of

_LOGGER = logging.getLogger(__name__)

SPACE = "optuna"
"""The name of the spaces of all studies, which are then taken for versions of one, unless said otherwise."""

ATTRIBUTE = "transfernas"
"""The user attribute of a trial that says who proposed it."""

_MOST_SEARCHES = 8  # so many studies may take turns; of more, those that were not asked about for longest are let go


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
        key: KeyFn | None = None,
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
            key: A function from the parameters of a trial to a hashable value that names their network, such as
                `lambda params: tuple(p for p in params.values() if p != "skip")`. Each network is proposed once, as
                long as 1,000 draws find a new one. No file holds the function, so give it to each sampler.
            config: settings; by default the agent's, or `TrainingConfig()` where there is none.

        Raises:
            CheckpointError, OSError: the file cannot be read.
            TypeError, ValueError: an argument is not as said above.
        """
        check_on_failure(on_failure)
        check_name("space is named by", space)
        check_name("task is named by", task, optional=True)
        super().__init__()
        self._source = as_agent(agent)
        check_rename(rename or (), self._source)
        check_key(key)
        self._key = key
        self._space, self._task, self._learn, self._on_failure = space, task, learn, on_failure
        self._rename, self._fill, self._config = dict(rename or {}), dict(fill or {}), config
        self._seed = secrets.randbits(63) if seed is None else check_seed(seed)
        self._first_ledger = ProcessedTrials() if self._source is None else self._source.processed.copy(), 0
        self._searches: dict[int, StudySearch] = {}  # in the order in which they began
        self._uses = 0

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
                found.processed = self._processed[0].copy()
            return found

    def save(self, path: str | os.PathLike[str]) -> "os.PathLike[str]":
        """Writes the agent to a file, for the next search, and returns the path; see `agent` and `Agent.save`."""
        return self.agent.save(path)

    def expected_best(self, study: optuna.Study) -> ExpectedBest:
        """Returns the trial of a study that is expected to be best, were it evaluated again.

        `study.best_trial` is the best single evaluation: where those are noisy, a lucky one. This is the trial that a
        Gaussian process over the trials expects to be best.

        Args:
            study: of this sampler, which learned from it.

        Raises:
            ValueError: no trial of the study was learned from, or the configuration has no surrogate.

        Example:
            ```python
            best = sampler.expected_best(study)
            print(best.params, best.value, "+-", best.deviation)
            ```
        """
        with self._lock:
            self._catch_up()
            search = self._search_of(study)
            found = None if search is None else search.search.expected_best()
            if search is None or found is None:
                raise ValueError(
                    f"the sampler expects nothing of study {study.study_name!r}: its Gaussian process learned from no "
                    f"trial of it; optimize the study with it first, under a TrainingConfig with a proposal.surrogate"
                )
            return found._replace(value=search.sign * found.value)

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
            RuntimeError: The function `key` raised an error.
            TypeError: The function `key` returned no hashable value.
            ValueError: The study has several objectives.
        """
        _check_single(study)
        with self._lock:
            search = self._search(study, trial)
            search.warn_of_slips(trial.number)
            domain = search.domain(param_name, param_distribution)
            return search.search.suggest(trial.number, search.params(trial), param_name, domain)

    def after_trial(
        self, study: optuna.Study, trial: FrozenTrial, state: TrialState, values: Sequence[float] | None
    ) -> None:
        """Notes who proposed a trial, as its user attribute "transfernas", such as `{"name": "policy", "trust": 0.97}`.

        Optuna calls this. `study.trials_dataframe()` and optuna-dashboard show the attribute, whose fields are those of
        `Proposer`. A trial that others proposed, such as an enqueued one, has none. At the end of its first trial a
        search that started from an agent logs what that knew of it.
        """
        with self._lock:
            search = self._search_of(study)
            proposer = None if search is None else search.search.proposer(trial.number)
            said = None if search is None else search.start()
        if proposer is not None:
            noted = {name: value for name, value in proposer._asdict().items() if value is not None}
            study._storage.set_trial_user_attr(trial._trial_id, ATTRIBUTE, noted)  # one write: a storage takes its time
        if said is not None:
            TO_USER.log(*said)

    def _copied(self) -> dict[str, Any]:
        """Leaves out the storages: a copy goes on with the study that it is given, where that is found."""
        self._catch_up()
        searches = {number: dataclasses.replace(each, storage=None) for number, each in self._searches.items()}
        return super()._copied() | {"_searches": searches}

    def _search_of(self, study: optuna.Study) -> StudySearch | None:
        """Returns the search of a study; None where there is none yet."""
        return next((each for each in reversed(self._searches.values()) if each.is_at(study)), None)

    def _search(self, study: optuna.Study, trial: FrozenTrial) -> StudySearch:
        """Returns the search of a study, which has learned from all that was finished when the trial first asked."""
        number = next((number for number, each in reversed(self._searches.items()) if each.is_at(study)), None)
        if number is not None and self._searches[number].knows(trial):
            return self._searches[number]
        trials = study._storage.get_all_trials(study._study_id, deepcopy=False)
        if number is None or not self._searches[number].is_of(study.study_name, trials):
            self._catch_up()
            number = self._begin(study, trials)
        search = self._searches[number]
        search.moved(study)
        search.used = self._uses = self._uses + 1
        search.catch_up(trials, self._processed, self._learn, trial.number)
        return search

    def _begin(self, study: optuna.Study, trials: Sequence[FrozenTrial]) -> int:
        """Begins a search, or goes on with that of a study that was loaded again; returns its number."""
        name = study.study_name
        for number, known in reversed(self._searches.items()):
            if (known.storage is None or known.progress.ends) and known.is_of(name, trials):
                return number
        source = self._latest()
        finished = [trial for trial in trials if trial.state.is_finished()] if source is self._source else []
        resumes = source is not None and any(self._processed[0].has(stamp_of(trial)) for trial in finished)
        search = DefineByRunSearch(
            self._space,
            self._task or task_of(study),
            self._config,
            self._seed,
            source,
            self._rename,
            self._fill,
            self._learn,
            resumes=resumes,
            networks=None if self._key is None else TrialNetworks(self._key),
        )
        given = dict.fromkeys(self._rename.values(), "rename") | dict.fromkeys(self._fill, "fill")
        progress, place = Progress(search, *self._processed), (study._storage, study._study_id, name)
        found = StudySearch(progress, *place, sign_of(study), self._on_failure, given=given)
        number = self._uses
        self._searches = {**self._searches, number: found}
        self._let_go()
        return number

    def _let_go(self) -> None:
        """Lets go of searches where there are too many; if their studies come again, the record knows their trials."""
        *others, _ = self._searches.items()
        kept = dict(sorted(others, key=lambda item: -item[1].used)[: _MOST_SEARCHES - 1])
        for number, _ in others:
            if number not in kept:
                self._first_ledger = self._processed
                self._searches = {other: each for other, each in self._searches.items() if other != number}

    @property
    def _processed(self) -> tuple[ProcessedTrials, int]:
        """The processed trials, and how often they changed: one assignment changes both."""
        ledgers = [(each.progress.processed, each.progress.turn) for each in self._searches.values()]
        return max([self._first_ledger, *ledgers], key=lambda processed: processed[1])

    def _catch_up(self) -> None:
        """Learns from what was finished by now in all studies; one that cannot be read is passed over.

        The latest comes first: Optuna's caches may show trials of a study made anew as those of the one before it.
        """
        for search in reversed(self._searches.values()):
            if search.storage is None or not self._learn:
                continue
            try:
                trials = search.storage.get_all_trials(search.study_id, deepcopy=False)
                if search.is_of(search.name, trials):
                    search.catch_up(trials, self._processed, self._learn)
            except KeyError:  # the study was deleted
                continue
            except Exception as error:
                _LOGGER.warning(
                    f"study {search.name!r} cannot be read, so that its last trials may be missing: {error}"
                )

    def _latest(self) -> Agent | None:
        """Returns the agent of the study that was begun last, or what the sampler started from."""
        for search in reversed(self._searches.values()):
            if (agent := search.search.agent()) is not None:
                return agent
        return self._source


def _check_single(study: optuna.Study) -> None:
    if study._is_multi_objective():
        raise ValueError(
            f"TransferSampler searches for one objective; study {study.study_name!r} has {len(study.directions)}. Use "
            f"a sampler for several, such as optuna.samplers.NSGAIISampler"
        )
