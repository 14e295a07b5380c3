"""Packages that only a part needs: each comes with an extra, as in `pip install 'transfernas[optuna]'`."""

from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def needed(extra: str, by: str) -> Iterator[None]:
    """Is put around imports of packages that come with an extra.

    Args:
        extra: its name in `pyproject.toml`.
        by: who needs the packages.

    Raises:
        ModuleNotFoundError: one is missing; the message says in one line what to install.
    """
    try:
        yield
    except ImportError as error:
        reason = " ".join(str(error).splitlines())
        raise ModuleNotFoundError(
            f"{by} needs the extra {extra!r}: pip install 'transfernas[{extra}]' ({reason})", name=error.name
        ) from None
