"""`TransferSampler`: a sampler for Optuna that starts from the knowledge of earlier studies."""

import dataclasses
import os
import secrets
from collections.abc import Mapping, Sequence
from typing import Any, Literal

from ...extras import needed

with needed("optuna", __name__):
    import optuna
    from optuna.distributions import BaseDistribution
    from optuna.trial import FrozenTrial, TrialState

from ...agent import Agent
from ...checkpoint.processed_trials import ProcessedTrials
from ...define_by_run.networks import KeyFn, TrialNetworks
from ...define_by_run.search import DefineByRunSearch
from ...insight.transfer_log import LogLine
from ...learning.config import TrainingConfig, check_config
from ...learning.expected_best import ExpectedBest
from ...processes.locks import Locked
from ...searcher import check_seed
from ...spaces.condition import Action
from ...spaces.problem import check_fill
from ..arguments import as_agent, check_key, check_name, check_on_failure, check_renamed
from .study_search import TO_USER, StudyPlace, StudySearch, nothing_expected
from .trials import is_enqueued, number_of, sign_of, stamp_of, task_of

SPACE = "optuna"
"""The default name of a study's space. Spaces of one name are versions of one space."""

ATTRIBUTE = "transfernas"
"""The user attribute of a trial that names its proposer."""

_MOST_SEARCHES = 8  # whose studies take turns; beyond them, the search that was used least recently is let go


class TransferSampler(Locked, optuna.samplers.BaseSampler):
    """Answers `suggest_*` by an agent.

    The sampler learns once from each finished trial in the study's storage, of any process and any sampler. Spaces may
    be conditional, and ranges may change. Threads may share a sampler, and processes a storage. After a search,
    `sampler.save(path)` writes the agent for your next search. In a second study the sampler starts from the knowledge
    of the first.

    Example:
        ```python
        sampler = TransferSampler("agent.safetensors", seed=0)
        study = optuna.create_study(study_name="faces", sampler=sampler)
        study.optimize(objective, n_trials=50)
        sampler.save("agent.safetensors")
        ```
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
            agent: The agent to start from, or its file; None for an agent that knows nothing.
            space: The name of the search space. Spaces of one name are versions of one space.
            task: The name of the task; by default the study's name.
            seed: The seed of all random numbers, a whole number of at least 0; None for a random seed.
            learn: Whether the sampler learns from the study's trials.
            on_failure: How a failed trial counts: "ignore" if the policy learns nothing from it; "worst" if it is worse
                than all others. In both cases the search finds out which configurations fail, and a failed one comes
                again only if it has a continuous parameter.
            rename: From names of parameters that the agent knows to names in this study that mean the same.
            fill: The values that new parameters had before they were parameters, such as `{"dropout": 0.0}`.
            key: A function from the parameters of a trial to a hashable value that names their network, such as
                `lambda params: tuple(p for p in params.values() if p != "skip")`. Each network is proposed once, as
                long as 1,000 draws find a new one. No file holds the function, so give it to each sampler.
            config: The settings; by default those of the agent, or `TrainingConfig()` without an agent.

        Raises:
            CheckpointError, OSError: The file cannot be read.
            TypeError, ValueError: An argument is not as described above.
        """
        check_on_failure(on_failure)
        check_name("space is named by", space)
        check_name("task is named by", task, optional=True)
        super().__init__()
        self._source = as_agent(agent)
        check_key(key)
        self._key = key
        self._space, self._task, self._learn, self._on_failure = space, task, learn, on_failure
        self._rename, self._fill = check_renamed(rename, self._source), check_fill(fill)
        self._config = check_config(config)
        self._seed = secrets.randbits(63) if seed is None else check_seed(seed)
        self._first_ledger = ProcessedTrials() if self._source is None else self._source.processed.copy(), 0
        self._searches: dict[int, StudySearch] = {}  # in the order in which they began
        self._unasked: optuna.Study | None = None  # whose trials asked for no parameter yet: all were enqueued
        self._uses = 0

    @property
    def agent(self) -> Agent:
        """The agent, which has learned from all finished trials of this sampler's studies.

        Raises:
            ValueError: The sampler started from no agent, and no trial with a parameter was run yet.
        """
        with self._lock:
            self._catch_up()
            found = self._latest()
            if found is None:
                raise ValueError(
                    "there is nothing to save yet: run a trial with the sampler first, whose objective asks for a "
                    "parameter, as in trial.suggest_float('lr', 1e-5, 1e-1, log=True); or give the sampler an agent"
                )
            if found is not self._source:
                found.processed = self._processed[0].copy()
            return found

    def save(self, path: str | os.PathLike[str]) -> "os.PathLike[str]":
        """Writes the agent to a file for your next search, and returns the path; see `agent` and `Agent.save`."""
        return self.agent.save(path)

    def expected_best(self, study: optuna.Study) -> ExpectedBest:
        """Returns the trial of a study with the best expected value, were it evaluated again.

        `study.best_trial` is the best single evaluation, which is often a lucky one under noise. The expected values
        are those of a Gaussian process over all trials. The sampler first learns from the finished trials that are new
        to it, so the study may come from a storage.

        Args:
            study: A study with one objective.

        Raises:
            ValueError: The study has several objectives, no trial with a finite value, or none that was learned from;
                or the configuration has no surrogate.

        Example:
            ```python
            best = sampler.expected_best(study)
            print(best.number, best.params, best.value, "+-", best.deviation)
            ```
        """
        _check_single(study)
        with self._lock:
            trials = study._storage.get_all_trials(study._study_id, deepcopy=False)
            search = None
            if any(trial.state.is_finished() for trial in trials):
                search = self._looked_at(study, trials)
            found = None if search is None else search.search.expected_best()
            if search is None or found is None:
                reason = nothing_expected(trials, search)
                raise ValueError(f"the sampler expects nothing of study {study.study_name!r}: {reason}")
            return found.signed(search.sign)._replace(number=number_of(trials, found.params, search.sign))

    def reseed_rng(self) -> None:
        """Draws other random numbers from now on; Optuna calls this if trials run in parallel."""
        with self._lock:
            self._seed = secrets.randbits(63)
            for search in self._searches.values():
                search.search.reseed(self._seed)

    def infer_relative_search_space(self, study: optuna.Study, trial: FrozenTrial) -> dict[str, BaseDistribution]:
        """Returns an empty space, because each parameter is proposed when it is asked for, given those before it.

        Raises:
            ValueError: The study has several objectives.
        """
        _check_single(study)
        return {}

    def sample_relative(
        self, study: optuna.Study, trial: FrozenTrial, search_space: dict[str, BaseDistribution]
    ) -> dict[str, Any]:
        """Returns no parameters, see `infer_relative_search_space`."""
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
            domain = search.domain(param_name, param_distribution)
            return search.search.suggest(trial.number, search.params(trial), param_name, domain)

    def after_trial(
        self, study: optuna.Study, trial: FrozenTrial, state: TrialState, values: Sequence[float] | None
    ) -> None:
        """Writes the proposer of a trial to its user attribute "transfernas", as `{"name": "policy", "trust": 0.97}`.

        Optuna calls this. `study.trials_dataframe()`, which needs pandas, and optuna-dashboard show the attribute. Its
        fields are those of `Proposer`. Trials of other proposers have no such attribute, nor has an enqueued trial that
        the sampler completed. At the end of its first other trial, a search that started from an agent logs how many
        parameters the agent knew.
        """
        with self._lock:
            proposer, lines = None, list[LogLine]()
            if (number := self._number_of(study)) is None:
                if self._unasked is not None and StudyPlace.of(self._unasked) != StudyPlace.of(study):
                    self._begin_unasked()
                self._unasked = study
            else:
                search = self._searches[number]
                if not is_enqueued(trial):  # the search may know a part of such a trial's parameters alone
                    proposer, lines = search.search.proposer(trial.number), search.lines(self._learn)
                if lines:
                    self._searches[number] = dataclasses.replace(search, said=True)
        if proposer is not None:
            noted = {name: value for name, value in proposer._asdict().items() if value is not None}
            study._storage.set_trial_user_attr(trial._trial_id, ATTRIBUTE, noted)  # one write: storages are slow
        for line in lines:
            TO_USER.log(*line)

    def _copied(self) -> dict[str, Any]:
        """Leaves out the storages: a copy continues with the study that it is given."""
        self._catch_up()
        searches = {
            number: dataclasses.replace(each, place=each.place._replace(storage=None))
            for number, each in self._searches.items()
        }
        return super()._copied() | {"_searches": searches, "_unasked": None}

    def _number_of(self, study: optuna.Study) -> int | None:
        """Returns the number of the search of a study; None before the first."""
        return next((number for number, each in reversed(self._searches.items()) if each.is_at(study)), None)

    def _search(self, study: optuna.Study, trial: FrozenTrial) -> StudySearch:
        """Returns the search of a study, which learned from all trials that finished before the trial first asked."""
        number = self._number_of(study)
        if number is not None and self._searches[number].knows(trial):
            return self._searches[number]
        trials = study._storage.get_all_trials(study._study_id, deepcopy=False)
        number = self._caught_up(study, trials, trial.number)
        finished = any(other.state.is_finished() for other in trials)
        search = self._searches[number] = self._searches[number].warned(trial.number, finished)
        return search

    def _looked_at(self, study: optuna.Study, trials: Sequence[FrozenTrial]) -> StudySearch:
        """Returns the search of a study, which has learned from all of its finished trials.

        The search of a study that is only looked at beside others is not kept: the agent remains that of the study
        that was begun last.
        """
        self._begin_unasked()
        before = dict(self._searches), self._first_ledger
        search = self._searches[self._caught_up(study, trials)]
        if before[0] and self._number_of(study) not in before[0]:
            self._searches, self._first_ledger = before
        return search

    def _caught_up(self, study: optuna.Study, trials: Sequence[FrozenTrial], asking: int = -1) -> int:
        """Returns the number of the search of a study, which has learned from all of its finished trials.

        Args:
            study: The study.
            trials: All of its trials.
            asking: The number of the trial that asks for a parameter.
        """
        number = self._number_of(study)
        if self._unasked is not None and StudyPlace.of(self._unasked) == StudyPlace.of(study):
            self._unasked = None
        if number is None or not self._searches[number].is_of(study.study_name, trials):
            self._catch_up()
            number = self._begin(study, trials)
        self._uses += 1
        search = self._searches[number].moved(study, self._uses)
        self._searches[number] = search.caught_up(trials, self._processed, self._learn, asking)
        return number

    def _begin(self, study: optuna.Study, trials: Sequence[FrozenTrial]) -> int:
        """Begins a search, or continues that of a study that was loaded again, and returns its number."""
        name = study.study_name
        for number, known in reversed(self._searches.items()):
            if (known.place.storage is None or known.ends) and known.is_of(name, trials):
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
            self._rename if source is self._source or self._source is None else {},  # else the names are the new ones
            self._fill,
            self._learn,
            resumes=resumes,
            networks=None if self._key is None else TrialNetworks(self._key),
        )
        rename = {} if source is None else self._rename
        given = {new: ("rename", f"the agent's knowledge of {old!r} is not used") for old, new in rename.items()}
        for name, value in self._fill.items():
            given[name] = "fill", f"no earlier configuration gets its value {value!r}"
        if (warning := self._processed[0].direction_warning(search.task, sign_of(study) > 0)) is not None:
            TO_USER.warning(warning)
        place, number = StudyPlace.of(study), self._uses
        self._searches[number] = StudySearch(
            search, *self._processed, place, sign_of(study), self._on_failure, given=given
        )
        self._let_go()
        return number

    def _let_go(self) -> None:
        """Lets go of searches if there are too many; the processed trials tell which trials were learned from."""
        *others, _ = self._searches.items()
        kept = dict(sorted(others, key=lambda item: -item[1].used)[: _MOST_SEARCHES - 1])
        for number, _ in others:
            if number not in kept:
                self._first_ledger = self._processed
                del self._searches[number]

    def _begin_unasked(self) -> None:
        """Begins the search of a study whose trials got all parameters from elsewhere, to learn from them."""
        study, self._unasked = self._unasked, None
        if study is None or not self._learn:
            return
        try:
            trials = study._storage.get_all_trials(study._study_id, deepcopy=False)
        except KeyError:  # the study was deleted
            return
        except Exception as error:
            _warn_unread(study.study_name, error)
            return
        self._caught_up(study, trials)

    @property
    def _processed(self) -> tuple[ProcessedTrials, int]:
        """The processed trials and their turn, which change by one assignment."""
        ledgers = [(each.processed, each.turn) for each in self._searches.values()]
        return max([self._first_ledger, *ledgers], key=lambda processed: processed[1])

    def _catch_up(self) -> None:
        """Learns from the finished trials of all studies; a study that cannot be read is left out.

        The latest study comes first, because Optuna's caches may show the trials of a study made anew as those of the
        study before it.
        """
        self._begin_unasked()
        for number, search in reversed(self._searches.items()):
            storage, study_id, _ = search.place
            if storage is None or not self._learn:
                continue
            try:
                trials = storage.get_all_trials(study_id, deepcopy=False)
                if search.is_of(search.name, trials):
                    self._searches[number] = search.caught_up(trials, self._processed, self._learn)
            except KeyError:  # the study was deleted
                continue
            except Exception as error:
                _warn_unread(search.name, error)

    def _latest(self) -> Agent | None:
        """Returns the agent of the study that was begun last; before the first, that of the start."""
        for search in reversed(self._searches.values()):
            if (agent := search.search.agent()) is not None:
                return agent
        return self._source


def _warn_unread(study: str, error: Exception) -> None:
    TO_USER.warning(f"study {study!r} cannot be read, so that its last trials may be missing: {error}")


def _check_single(study: optuna.Study) -> None:
    if study._is_multi_objective():
        raise ValueError(
            f"TransferSampler searches for one objective; study {study.study_name!r} has {len(study.directions)}. Use "
            f"a sampler for several, such as optuna.samplers.NSGAIISampler"
        )
