"""Imports of packages that come with an extra, and the error that names the extra."""

from collections.abc import Iterator
from contextlib import contextmanager


def install_command(extra: str) -> str:
    """Returns the command that installs an extra; you run the command in a clone of the repository.

    Example:
        ```python
        print(install_command("optuna"))  # pip install '.[optuna]'
        ```
    """
    return f"pip install '.[{extra}]'"


@contextmanager
def needed(extra: str, by: str) -> Iterator[None]:
    """Surrounds imports of packages that come with an extra.

    Args:
        extra: Name of the extra in `pyproject.toml`.
        by: Name of the part that needs the packages, for the error.

    Raises:
        ModuleNotFoundError: A package is missing; the message names the extra and the command that installs it.

    Example:
        ```python
        with needed("optuna", "the sampler"):
            import optuna
        ```
    """
    try:
        yield
    except ImportError as error:
        reason = " ".join(str(error).splitlines())
        raise ModuleNotFoundError(
            f"{by} needs the extra {extra!r}: run {install_command(extra)} in the folder of TransferNAS ({reason})",
            name=error.name,
        ) from None
