"""The searches of a comparison: the agents and their rivals on every target of some splits.

Two searches run at a time: the agents', and those of the rivals. What a rival finds on a target without sources is
shared by all splits that have that target.
"""

import threading
import zlib
from collections.abc import Callable, Iterator
from concurrent.futures import CancelledError, Future
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np
from jaxtyping import Float

from transfernas.learning.config import TrainingConfig
from transfernas.learning.learner import Learner, new_learner
from transfernas.learning.randomness import Use, derived_seed
from transfernas.learning.transfer import transfer

from ..benchmarks.nasbench101 import Cells
from ..benchmarks.tabular import TabularProblem
from .methods import AGENTS, RIVALS, SCRATCH, SEEDED, TRANSFER, Starts, best_starts, searcher_replicas
from .run_directory import Stages, side_by_side
from .runner import AgentReplicas, Replicas, StageFn, Timed
from .suite import Place, Split


@dataclass(frozen=True, slots=True)
class Comparison:
    """What is compared, and how large it is.

    Attributes:
        config: the agents' hyperparameters.
        splits: of the suite.
        rivals: their names.
        seed: of everything random.
        replicas: independent repetitions of every search.
        trials: of each search of a target.
        joint_trials: of the joint training, for each source.
    """

    config: TrainingConfig
    splits: tuple[Split, ...]
    rivals: tuple[str, ...] = RIVALS
    seed: int = 0
    replicas: int = 20
    trials: int = 200
    joint_trials: int = 200


class Run(NamedTuple):
    """A search of a target.

    Attributes:
        values: Shape `[replicas, trials]`, the noise-free value of the incumbent.
        seconds: Shape `[trials]`, to ask and tell, all replicas together.
    """

    values: Float[np.ndarray, "replicas trials"]
    seconds: Float[np.ndarray, "trials"]


Runs = dict[tuple[str, str], Run]
"""From where and rival to its search: the split's name, or the target's for what the splits share."""


def run_key(split: Split, rival: str) -> tuple[str, str]:
    """Returns where the search of a rival on a split's target is found."""
    return (split.name if rival in (TRANSFER, *SEEDED) else split.target.name), rival


def run_searches(comparison: Comparison, cells: Cells | None, stages: Stages, stage: StageFn) -> Runs:
    """Runs everything; an interrupt ends it with what was searched so far.

    Args:
        comparison: what, and how large.
        cells: the table of NAS-Bench-101, for splits that need it.
        stages: where it is kept.
        stage: told when a stage begins.
    """
    lab = _Lab(comparison, cells, stages, stage, {split.name: Future() for split in comparison.splits})
    agents, searchers = side_by_side(stages, lambda: _agents(lab), lambda: _searchers(lab))
    return {key: run for key, run in {**agents, **searchers}.items() if run.values.size}


def shared_stages(comparison: Comparison) -> tuple[str, ...]:
    """Returns the names of the searches that depend on no agent: another comparison of that seed and size has them."""
    keys = {run_key(s, rival) for s in comparison.splits for rival in comparison.rivals if _alone(rival)}
    return tuple(sorted(f"{where}, {rival}" for where, rival in keys))


def count_stages(comparison: Comparison) -> int:
    """Returns how many searches there are, joint trainings among them."""
    keys = {run_key(split, rival) for split in comparison.splits for rival in comparison.rivals}
    return len(keys) + len(comparison.splits) * _learns(comparison)


@dataclass(frozen=True, slots=True)
class _Lab:
    """What the searches need: how large they are, the data, where and to whom they tell, what the seeded start from."""

    comparison: Comparison
    cells: Cells | None
    stages: Stages
    stage: StageFn
    starts: dict[str, Future[Starts]]
    loading: threading.Lock = field(default_factory=threading.Lock)

    def load(self, place: Place) -> TabularProblem:
        """Returns a benchmark; a table that both lanes need is read once."""
        with self.loading:
            return place.load(self.cells)

    def seed(self, name: str, replica: int = 0) -> int:
        """Returns the seed of a search, which depends on no other search."""
        return derived_seed(self.comparison.seed, Use.REPLICA, zlib.crc32(name.encode()), replica)

    def search(self, where: str, rival: str, make: Callable[[str], Replicas], target: TabularProblem) -> Runs:
        """Searches a target with what is made from the name of the search."""
        name, trials = f"{where}, {rival}", self.comparison.trials
        replicas = Timed(make(name))
        record = self.stages.search(name, replicas, (target,), trials, self.seed(name), self.stage(name, trials))
        return {(where, rival): Run(record.values, replicas.seconds)}


def _agents(lab: _Lab) -> Runs:
    """Searches every target with agents, from scratch and after the joint training on the sources."""
    found: Runs = {}
    try:
        for split in lab.comparison.splits:
            for step in (_scratch, _transferred):
                if lab.stages.interrupted:
                    return found
                found |= step(lab, split, found)
    finally:
        for starts in lab.starts.values():  # the other lane must not wait for what will not come
            starts.cancel()
    return found


def _scratch(lab: _Lab, split: Split, found: Runs) -> Runs:
    where, _ = key = run_key(split, SCRATCH)
    if SCRATCH not in lab.comparison.rivals or key in found:
        return {}
    target = lab.load(split.target)
    return lab.search(where, SCRATCH, lambda name: AgentReplicas(_new(lab, (target,), name), (target,)), target)


def _transferred(lab: _Lab, split: Split, found: Runs) -> Runs:
    rivals = lab.comparison.rivals
    if not _learns(lab.comparison):
        return {}
    sources, target = tuple(map(lab.load, split.sources)), lab.load(split.target)
    name, trials = f"{split.name}, joint training", lab.comparison.joint_trials * len(sources)
    joint = AgentReplicas(_new(lab, sources, name), sources)
    record = lab.stages.search(name, joint, sources, trials, lab.seed(name), lab.stage(name, trials))
    if record.interrupted:
        return {}
    lab.starts[split.name].set_result(best_starts(record, split, sources, target.problem))
    if TRANSFER not in rivals or lab.stages.interrupted:
        return {}
    learner = transferred(joint.learner, split, target)
    return lab.search(split.name, TRANSFER, lambda name: AgentReplicas(learner, (target,)), target)


def transferred(learner: Learner, split: Split, target: TabularProblem) -> Learner:
    """Returns the agents of the joint training ready for the target."""
    return transfer(learner, (target.problem,), rename=split.rename, fill=split.fill)


def _new(lab: _Lab, benchmarks: tuple[TabularProblem, ...], name: str) -> Learner:
    problems = tuple(benchmark.problem for benchmark in benchmarks)
    return new_learner(problems, lab.comparison.config, lab.seed(name), lab.comparison.replicas)


def _searchers(lab: _Lab) -> Runs:
    """Searches every target with the rivals that are no agents."""
    found: Runs = {}
    for split, rival in _in_turn(lab.comparison):
        where, _ = key = run_key(split, rival)
        if key in found:
            continue
        starts: Starts = [()] * lab.comparison.replicas
        if rival in SEEDED:
            try:
                starts = lab.starts[split.name].result()
            except CancelledError:
                return found
        if lab.stages.interrupted:
            return found
        target = lab.load(split.target)

        def make(name: str, rival: str = rival, target: TabularProblem = target, starts: Starts = starts) -> Replicas:
            return searcher_replicas(rival, target, [lab.seed(name, r) for r in range(len(starts))], starts)

        found |= lab.search(where, rival, make, target)
    return found


def _learns(comparison: Comparison) -> bool:
    """Returns whether any of the rivals needs the joint training."""
    return bool({TRANSFER, *SEEDED} & set(comparison.rivals))


def _alone(rival: str) -> bool:
    return rival not in (*AGENTS, *SEEDED)


def _in_turn(comparison: Comparison) -> Iterator[tuple[Split, str]]:
    """Yields splits and rivals that are no agents; those that wait for the other lane last."""
    for split in comparison.splits:
        for rival in sorted(set(comparison.rivals) - set(AGENTS), key=lambda name: (name in SEEDED, name)):
            yield split, rival
