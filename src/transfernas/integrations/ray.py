"""`TransferSearch`: a search algorithm for Ray Tune that starts from the knowledge of earlier searches."""

import dataclasses
import logging
import os
import secrets
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

from ..extras import needed

with needed("ray", __name__):
    from ray.tune.search import UNDEFINED_METRIC_MODE, UNDEFINED_SEARCH_SPACE, Searcher

from ..agent import Agent
from ..checkpoint.processed_trials import ProcessedTrials
from ..checkpoint.snapshot import CheckpointError
from ..define_by_run.declared import DeclaredSearch, domains_from_json, domains_to_json, read_search
from ..define_by_run.networks import KeyFn
from ..define_by_run.plans import Proposer
from ..learning.config import TrainingConfig, check_config
from ..learning.expected_best import NO_PROCESS, ExpectedBest
from ..learning.scores import Score
from ..processes.locks import Locked
from ..searcher import check_seed
from ..spaces.condition import Action
from ..spaces.problem import check_fill
from .arguments import as_agent, check_key, check_name, check_on_failure, check_renamed
from .ray_callback import ProposerCallback
from .ray_progress import RayProgress, SearchNotes, SearchSettings, new_task
from .ray_spaces import as_number, domains_of, look_up, nested, score_of, values_in
from .transfer_log import pass_on_waits, search_line

_LOGGER = logging.getLogger(__name__)

TO_USER = logging.getLogger("ray.tune.transfernas")
"""A logger whose messages appear among those of Ray."""

pass_on_waits(TO_USER)

SPACE = "ray"
"""The default name of a search space. Spaces of one name are versions of one space."""


class TransferSearch(Locked, Searcher):
    """Proposes configurations by an agent.

    The space is the `param_space` of `tune.Tuner`, and may differ from the spaces that the agent knows. A trial counts
    with its last result. A trial whose result is missing or no number, or that raised an error, has failed. Threads may
    share a search.

    Example:
        ```python
        search = TransferSearch(agent="agent.safetensors", seed=0)
        config = tune.TuneConfig(metric="loss", mode="min", search_alg=search, num_samples=20)
        tune.Tuner(train, param_space={"lr": tune.loguniform(1e-5, 1e-1)}, tune_config=config).fit()
        search.save_agent("agent.safetensors")
        ```
    """

    # Ray copies only names that end in .json or .pkl to the process that restores an experiment. The file is no pickle.
    CKPT_FILE_TMPL = "searcher-state-{}.safetensors.json"

    def __init__(
        self,
        space: Mapping[str, Any] | None = None,
        metric: str | None = None,
        mode: Literal["min", "max"] | None = None,
        *,
        agent: Agent | str | os.PathLike[str] | None = None,
        space_name: str = SPACE,
        task: str | None = None,
        seed: int | None = None,
        points_to_evaluate: Sequence[Mapping[str, Any]] | None = None,
        on_failure: Literal["ignore", "worst"] = "ignore",
        rename: Mapping[str, str] | None = None,
        fill: Mapping[str, Action] | None = None,
        key: KeyFn | None = None,
        config: TrainingConfig | None = None,
    ) -> None:
        """Creates the search.

        Args:
            space: Ray's search space; by default the `param_space` of the `tune.Tuner`.
            metric: The name of the result that counts; by default that of `tune.TuneConfig`.
            mode: "min" or "max"; by default that of `tune.TuneConfig`.
            agent: The agent to start from, or its file; None for an agent that knows nothing.
            space_name: The name of the search space. Spaces of one name are versions of one space.
            task: The name of the task; by default a name that the agent does not know. Under the name of the agent's
                own search, that search is continued, so that old and new results are compared.
            seed: The seed of all random numbers, a whole number of at least 0; None for a random seed.
            points_to_evaluate: The configurations to try first. The agent chooses the parameters that they leave out.
            on_failure: How a failed trial counts: "ignore" if the policy learns nothing from it; "worst" if it is worse
                than all others. In both cases the search finds out which configurations fail.
            rename: From names of parameters that the agent knows to names in this space that mean the same. The name
                of a nested parameter is its path, as in "optimizer/lr".
            fill: The values that new parameters had before they were parameters, such as `{"dropout": 0.0}`.
            key: A function from the parameters of a trial, nested as in the space and without constants, to a hashable
                value that names their network. Each network is proposed once, as long as 1,000 draws find a new one.
                No file holds the function: give it again before `restore`. `Tuner.restore` does so for you.
            config: The settings; by default those of the agent, or `TrainingConfig()` without an agent.

        Raises:
            CheckpointError, OSError: The file cannot be read.
            TypeError, ValueError: An argument is not as described above, or a parameter cannot be searched.
        """
        check_on_failure(on_failure)
        check_name("space_name is", space_name)
        check_name("task is", task, optional=True)
        source = as_agent(agent)
        super().__init__()
        check_key(key)
        names = space_name, new_task(source) if task is None else task
        seed = secrets.randbits(63) if seed is None else check_seed(seed)
        notes = SearchNotes(names, None, None, seed, on_failure, frozenset(), {})
        renamed, points = check_renamed(rename, source), [dict(point) for point in points_to_evaluate or ()]
        self._settings = SearchSettings(source, renamed, check_fill(fill), points, key, task is not None)
        processed = ProcessedTrials() if source is None else source.processed
        now = RayProgress(notes.with_metric(metric, mode), check_config(config), processed)
        self._now = now.begun(self._settings, domains_of(space)) if space else now

    @property
    def metric(self) -> str | None:  # type: ignore[override]  # None in Ray, too
        """The name of the result that counts; None if it is not known yet."""
        return self._now.notes.metric

    @property
    def mode(self) -> str | None:  # type: ignore[override]  # None in Ray, too
        """The direction of the search, "min" or "max"; None if it is not known yet."""
        return self._now.notes.mode

    @property
    def agent(self) -> Agent:
        """The agent, which has learned from all complete trials.

        Raises:
            ValueError: The search started from no agent, and has no space yet.
        """
        with self._lock:
            if self._now.search is None:
                if self._settings.source is None:
                    raise ValueError("the search has no agent before it has a space; give it one, or run a Tuner")
                return self._settings.source
            found = self._now.search.agent
            found.processed = self._processed()
            return found

    @property
    def proposers(self) -> dict[str, Proposer]:
        """The proposers of trials by their `trial_id`, also of trials before a restore.

        A trial whose parameters were all given by `points_to_evaluate` has none. `trust` is that of the time when the
        trial was proposed.

        Example:
            ```python
            search = TransferSearch({"lr": tune.loguniform(1e-5, 1e-1)}, "loss", "min", seed=0)
            config = search.suggest("first")
            assert search.proposers["first"].name == "policy"
            ```
        """
        with self._lock:
            return dict(self._now.notes.proposers)

    def callback(self) -> ProposerCallback:
        """Returns a callback for `tune.RunConfig`, which adds `proposers` to the results; see `ProposerCallback`."""
        return ProposerCallback(self)

    def save_agent(self, path: str | os.PathLike[str]) -> Path:
        """Writes the agent to a file for your next search, and returns the path; see `agent` and `Agent.save`."""
        return self.agent.save(path)

    def expected_best(self) -> ExpectedBest:
        """Returns the trial with the best expected result; see `TransferSampler.expected_best`.

        Its parameters are nested as in the space.

        Raises:
            RuntimeError: There is no space, metric or mode yet.
            ValueError: No trial has a finite value yet, or the configuration has no surrogate.
        """
        with self._lock:
            search = self._ready().search
            if (found := search.expected_best()) is None:
                raise ValueError(
                    f"the search expects nothing: no trial has a value yet; a finite number for {self.metric!r} in the "
                    f"last result of a trial is needed"
                    if search.surrogate is not None
                    else f"the search expects nothing: {NO_PROCESS}"
                )
            return found.signed(1.0 if self.mode == "max" else -1.0)._replace(params=nested(found.params))

    def set_search_properties(self, metric: str | None, mode: str | None, config: dict[str, Any], **spec: Any) -> bool:
        """Takes the settings of `tune.Tuner`; Ray calls this.

        Args:
            metric: The name of the result that counts.
            mode: "min" or "max".
            config: The `param_space`.
            spec: Further information of Ray, which is not used.

        Returns:
            False if the search has another space already, from the constructor or from a restored search.

        Raises:
            ValueError: A parameter cannot be searched, or the metric or the mode is wrong.
        """
        with self._lock:
            domains, now = domains_of(config), self._now
            if domains and now.search is None:
                now = now.begun(self._settings, domains)
            elif domains and domains_to_json(domains) != domains_to_json(self._begun().domains):
                return False
            self._become(now, notes=now.notes.with_metric(metric, mode))
            return True

    def suggest(self, trial_id: str) -> dict[str, Any] | None:
        """Returns the parameters of a trial, nested as in the space; Ray adds the constants.

        Raises:
            RuntimeError: There is no space, metric or mode yet, or the function `key` raised an error.
            TypeError: The function `key` returned no hashable value.
        """
        with self._lock:
            search, now = self._ready(), self._now
            values = search.suggest(trial_id)
            notes = now.notes.with_proposer(trial_id, search.search.proposer(trial_id))
            line = None if now.said else search_line(f"Search {notes.names[1]!r}", search.search)
            warning = None if now.said else now.processed.direction_warning(notes.names[1], self.mode == "max")
            self._become(now, notes=notes, said=True)
        if line is not None:
            TO_USER.log(*line)
        if warning is not None:
            TO_USER.warning(warning)
        return nested(values)

    def on_trial_result(self, trial_id: str, result: dict[str, Any]) -> None:
        """Does nothing: a trial counts with its last result."""

    def on_trial_complete(self, trial_id: str, result: dict[str, Any] | None = None, error: bool = False) -> None:
        """Learns once from a trial.

        If the trial is not open here, because Ray runs a failed trial again, the configuration comes from its result.

        Args:
            trial_id: The trial.
            result: The last result, nested or by paths, with numbers of any type.
            error: Whether the trial raised an error.
        """
        with self._lock:
            search, found, metric = self._ready(), {} if error or not result else result, self.metric
            assert metric is not None  # the search is ready
            number = as_number(look_up(found, metric))
            if not search.tell(trial_id, self._score(number)):
                try:
                    self._learn_again(trial_id, found, number)
                except ValueError as why:
                    _LOGGER.warning(f"trial {trial_id} is not learned from: it is not open in this search, and {why}")
                    return
            if number is not None:
                notes = self._now.notes
                self._become(self._now, notes=notes._replace(counted=notes.counted | {trial_id}))

    def add_evaluated_point(
        self,
        parameters: dict[str, Any],
        value: float,
        error: bool = False,
        pruned: bool = False,
        intermediate_values: list[float] | None = None,
    ) -> None:
        """Learns from a configuration that was evaluated elsewhere; see also `add_evaluated_trials`.

        Args:
            parameters: The configuration. Entries that are no parameters of the space are left out.
            value: The result, under the metric and mode of this search.
            error: Whether the trial failed.
            pruned: Whether the trial was stopped early. Such a trial counts with its last result.
            intermediate_values: Not used.

        Raises:
            RuntimeError: There is no space, metric or mode yet.
            ValueError: A parameter is missing, or has a value outside of its domain.
        """
        with self._lock:
            search = self._ready()
            search.learn_from(values_in(parameters, search.domains), self._score(None if error else as_number(value)))

    def save(self, checkpoint_path: str) -> None:
        """Writes the search to one file, whole or not at all; the file is also that of an agent.

        Raises:
            RuntimeError: There is no space yet.
        """
        with self._lock:
            self._begun().save(Path(checkpoint_path), self._processed(), self._now.notes.to_json())

    def restore(self, checkpoint_path: str) -> None:
        """Continues a search that was saved, and learns from results of its open trials.

        The space, metric and mode become those of the saved search. If the space has values that JSON cannot hold, such
        as functions, give the space to this search first. An error leaves this search as it was.

        Raises:
            CheckpointError: The file is damaged, or holds no search.
            FileNotFoundError: There is no such file.
            ValueError: This search has another space, or lacks the space or the `key` of the saved search.
        """
        saved = read_search(Path(checkpoint_path))
        if "evaluated" in saved.notes and self._settings.key is None:
            raise ValueError(
                f"the search that was saved in {checkpoint_path} has a key, and no file holds that function; give it "
                f"again, as in TransferSearch(key=network)"
            )
        with self._lock:
            notes, held, before = SearchNotes.of(saved.notes), saved.notes["domains"], self._now.search
            domains = domains_from_json(held) if before is None else before.domains
            if domains_to_json(domains) != held:
                if before is None:
                    raise CheckpointError(f"{checkpoint_path} is damaged: its parameters are none of a saved search")
                raise ValueError(f"the search that was saved in {checkpoint_path} has another space than this one")
            config = saved.learner.config
            search = self._settings.new_search(domains, notes.names, config, notes.seed)
            search.restore(saved)
            self._become(RayProgress(notes, config, saved.processed, search, said=True))

    def restore_from_dir(self, checkpoint_dir: str) -> None:
        """Restores the search from the folder of its experiment; Ray calls this.

        After an error the search proposes no trial, because Ray only logs the error, and would begin the experiment
        anew.

        Raises:
            RuntimeError: There is no file of a search.
            CheckpointError, ValueError: See `restore`.
        """
        try:
            super().restore_from_dir(checkpoint_dir)
        except Exception as error:
            self._become(self._now, lost=error)
            raise

    def _processed(self) -> ProcessedTrials:
        """Returns the processed trials of the agent, with the direction of this search after its first result."""
        processed, notes = self._now.processed.copy(), self._now.notes
        if notes.mode is not None and notes.counted:
            processed.note_direction(notes.names[1], notes.mode == "max")
        return processed

    def _become(self, now: RayProgress, **changes: Any) -> None:
        """Takes on a progress with changes, in a single assignment."""
        self._now = dataclasses.replace(now, **changes)

    def _ready(self) -> DeclaredSearch:
        search = self._begun()
        if not self.metric or not self.mode:
            raise RuntimeError(
                UNDEFINED_METRIC_MODE.format(cls=type(self).__name__, metric=self.metric, mode=self.mode)
            )
        return search

    def _begun(self) -> DeclaredSearch:
        if (lost := self._now.lost) is not None:
            raise RuntimeError(
                f"the search was not restored, so it proposes nothing. Mend this, and restore the experiment again: "
                f"{lost}"
            ) from lost
        if self._now.search is None:
            raise RuntimeError(UNDEFINED_SEARCH_SPACE.format(cls=type(self).__name__, space="space"))
        return self._now.search

    def _learn_again(self, trial_id: str, result: Mapping[str, Any], number: float | None) -> None:
        """Learns from a trial that is not open, by the configuration in its result.

        Raises:
            ValueError: The trial was learned from before, or its result lacks a number or a configuration.
        """
        search = self._ready()
        if trial_id in self._now.notes.counted:
            raise ValueError("was learned from before")
        if number is None:
            raise ValueError(f"has no number for {self.metric!r}")
        values = values_in(result, search.domains, "config/")
        if not values:
            raise ValueError("its result holds no configuration")
        search.learn_from(values, self._score(number))

    def _score(self, number: float | None) -> Score | None:
        return score_of(number, self.mode, self._now.notes.on_failure)
