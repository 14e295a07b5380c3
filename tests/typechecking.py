"""The type checker of the tests: beartype, with whole numbers accepted as floats, as type checkers do."""

from collections.abc import Callable
from typing import TypeVar

from beartype import BeartypeConf, beartype

F = TypeVar("F", bound=Callable[..., object])

_checked = beartype(conf=BeartypeConf(is_pep484_tower=True))


def check(function: F) -> F:
    """Returns a function that checks types; one that another function defines stays as it is.

    Such a function is defined anew in each call of the other; to decorate it takes longer than most of these calls.
    """
    return function if "<locals>" in function.__qualname__ else _checked(function)
