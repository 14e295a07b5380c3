"""Imports of packages that come with an extra, and the error that names the extra."""

import sys
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
        ModuleNotFoundError: A package is missing; the message names the extra and the command that installs it. Or a
            module of the user's has the name of the package; the message names its file.

    Example:
        ```python
        with needed("optuna", "the sampler"):
            import optuna
        ```
    """
    try:
        yield
    except ImportError as error:
        package = (error.name or "").partition(".")[0]
        if (hides := _file_instead_of(package)) is not None:
            raise ModuleNotFoundError(
                f"{by} needs the package {package!r}, which {hides} hides: give this file another name", name=error.name
            ) from None
        reason = " ".join(str(error).splitlines())
        raise ModuleNotFoundError(
            f"{by} needs the extra {extra!r}: run {install_command(extra)} in the folder of TransferNAS ({reason})",
            name=error.name,
        ) from None


def _file_instead_of(package: str) -> str | None:
    """Returns the file of a module that was imported under the name of a package; None if none was."""
    module = sys.modules.get(package)
    return None if module is None or hasattr(module, "__path__") else getattr(module, "__file__", None)
