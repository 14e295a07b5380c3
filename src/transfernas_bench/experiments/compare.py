"""The comparison of the transferred agent with its rivals, over splits of the transfer suite.

Regrets are normalised: 0 at the best configuration of the target, 1 at the median one.
"""

import time
from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np

from transfernas.fields import to_json

from ..benchmarks.nasbench101 import Cells
from .methods import SCRATCH, SEEDED, TRANSFER
from .ranking import Difference, Measured, OnSplit, Standing, by_split, differences, standings
from .result import Curve, NamedRatio, Result, Row
from .run_directory import Stages
from .runner import StageFn
from .searches import Comparison, Run, Runs, run_key, run_searches
from .statistics import critical_difference, mean_interval, trial_ratio
from .suite import Scale, Split

MILESTONES = (5, 10, 20, 50, 100, 200, 500, 1_000)
GRID = tuple(sorted({base * 10**power for base in (1, 2, 3, 5, 7) for power in range(4)} | {15, 150}))
"""The trials that figures show."""

REFERENCE, REFERENCE_TRIALS = "tpe", 100
"""The rival and the trial whose mean value the others are to reach."""


PAIRS = ((TRANSFER, SCRATCH), *((TRANSFER, name) for name in ("tpe", *SEEDED)), (SCRATCH, REFERENCE))
"""The rivals whose regrets are subtracted."""


class Outcome(NamedTuple):
    """What a comparison found.

    Attributes:
        result: for `result.json`; its curves are named by the split and the rival, and its table holds the mean
            normalised regret of each.
        standings: of the rivals, by kind of split and over all, over the splits whose searches are done.
        from_scratch: of those that learned from no source, over the targets, each counted once.
        differences: of the regrets of some pairs, first of all of the transferred agent and the one from scratch.
        by_split: of these two, on each split.
        seconds: median time of a rival to ask and tell one trial of one replica; agents' replicas share their steps.
    """

    result: Result
    standings: tuple[Standing, ...]
    from_scratch: tuple[Standing, ...]
    differences: tuple[Difference, ...]
    by_split: tuple[OnSplit, ...]
    seconds: Mapping[str, float]


def run_comparison(comparison: Comparison, cells: Cells | None, stages: Stages, stage: StageFn) -> Outcome:
    """Runs everything, two searches at a time; an interrupt ends it with what was measured so far.

    Args:
        comparison: what, and how large.
        cells: the table of NAS-Bench-101, for splits that need it.
        stages: where it is kept.
        stage: told when a stage begins.
    """
    started = time.monotonic()
    runs = run_searches(comparison, cells, stages, stage)
    scales = {split.name: Scale.of(split.target.load(cells)) for split in comparison.splits if _of(runs, split)}
    milestones = up_to(comparison.trials, MILESTONES)
    grid = up_to(comparison.trials, {*GRID, *milestones})
    done = [split for split in comparison.splits if _done(runs, split, comparison)]
    rivals, seed = comparison.rivals, comparison.seed

    def measured(split: Split, who: Sequence[str], kind: str, counts: tuple[int, ...] = grid) -> Measured:
        values = np.stack([_of(runs, split)[rival].values for rival in who])
        return Measured(kind, scales[split.name].regret(values[:, :, [count - 1 for count in counts]]))

    every = [measured(split, rivals, split.kind) for split in done]
    alone = [rival for rival in rivals if rival not in (TRANSFER, *SEEDED)]
    targets = {split.target: split for split in done} if len(alone) > 1 else {}
    standing = standings(every, rivals, grid, seed)
    from_scratch = tuple(
        row._replace(kind="targets")
        for row in standings([measured(split, alone, "") for split in targets.values()], alone, grid, seed)
    )
    difference = [
        row for pair in PAIRS if set(pair) <= set(rivals) for row in differences(every, rivals, pair, grid, seed)
    ]
    by_name = {split.name: measured(split, rivals, split.kind, milestones) for split in done}
    on_splits = by_split(by_name, rivals, PAIRS[0], milestones, seed) if set(PAIRS[0]) <= set(rivals) else ()
    seconds = _seconds(runs, comparison)
    found = {f"{split.name}/{rival}": run for split in comparison.splits for rival, run in _of(runs, split).items()}
    result = Result(
        command="compare",
        seed=seed,
        seconds=time.monotonic() - started,
        curves={name: Curve(run.values) for name, run in found.items()},
        table=tuple(row for s in comparison.splits for row in _regret_rows(s, _of(runs, s), scales, milestones)),
        ratios=tuple(ratio for split in done for ratio in _ratios(split.name, _of(runs, split), seed)),
        interrupted=stages.interrupted,
        settings=_settings(comparison, cells, stages, scales),
        summary={
            "standings": [_document(row) for row in standing],
            "from_scratch": [_document(row) for row in from_scratch],
            "differences": [_document(row) for row in difference],
            "by_split": [_document(row) for row in on_splits],
            "critical_difference": critical_difference(len(rivals), len(done)) if done and rivals[1:] else None,
            "seconds_a_trial": seconds,
        },
        kept_trials=grid,
    )
    return Outcome(result, standing, from_scratch, tuple(difference), on_splits, seconds)


def up_to(trials: int, counts: tuple[int, ...] | set[int]) -> tuple[int, ...]:
    """Returns the counts that are below a number of trials, and that number."""
    return tuple(sorted({count for count in counts if count < trials} | {trials}))


def _of(runs: Runs, split: Split) -> dict[str, Run]:
    """Returns the searches of a split's target, by rival."""
    return {rival: run for (where, rival), run in runs.items() if (where, rival) == run_key(split, rival)}


def _done(runs: Runs, split: Split, comparison: Comparison) -> bool:
    """Returns whether all rivals searched the target to the end."""
    found = _of(runs, split)
    return all(rival in found and found[rival].values.shape[1] == comparison.trials for rival in comparison.rivals)


def _regret_rows(
    split: Split, found: Mapping[str, Run], scales: Mapping[str, Scale], milestones: tuple[int, ...]
) -> list[Row]:
    return [
        Row(f"{split.name}/{rival}", count, *mean_interval(scales[split.name].regret(run.values[:, count - 1])))
        for rival, run in found.items()
        for count in milestones
        if count <= run.values.shape[1]
    ]


def _ratios(name: str, found: Mapping[str, Run], seed: int) -> list[NamedRatio]:
    """Returns how many times fewer trials than the reference each rival needs for the reference's value."""
    if REFERENCE not in found or found[REFERENCE].values.shape[1] < REFERENCE_TRIALS:
        return []
    slow = found[REFERENCE].values
    target = float(slow[:, REFERENCE_TRIALS - 1].mean())
    return [
        NamedRatio(f"{name}/{REFERENCE}", f"{name}/{rival}", trial_ratio(target, slow, run.values, seed))
        for rival, run in found.items()
        if rival != REFERENCE
    ]


def _seconds(runs: Runs, comparison: Comparison) -> dict[str, float]:
    """Returns the median over all trials of all targets."""
    found = dict[str, float]()
    for rival in comparison.rivals:
        times = [run.seconds for (_, name), run in runs.items() if name == rival]
        if times:
            found[rival] = float(np.median(np.concatenate(times))) / comparison.replicas
    return found


def _settings(
    comparison: Comparison, cells: Cells | None, stages: Stages, scales: Mapping[str, Scale]
) -> dict[str, object]:
    return {
        "resumed": stages.resumed,
        "data": None if cells is None else cells.name,
        "replicas": comparison.replicas,
        "trials": comparison.trials,
        "joint_trials": comparison.joint_trials,
        "config": to_json(comparison.config),
        "rivals": comparison.rivals,
        "splits": {
            split.name: {
                "kind": split.kind,
                "half": split.half,
                "sources": [place.name for place in split.sources],
                "target": split.target.name,
                "rename": dict(split.rename),
                **(scales[split.name]._asdict() if split.name in scales else {}),
            }
            for split in comparison.splits
        },
    }


def _document(row: Standing | Difference | OnSplit) -> dict[str, object]:
    """Returns a row for JSON, its intervals by name, what is not a number as null."""
    found = dict[str, object]()
    for name, value in row._asdict().items():
        found[name] = value._asdict() if hasattr(value, "_asdict") else value
        if value != value:
            found[name] = None
    return found
