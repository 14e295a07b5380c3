"""The type checker of the tests: beartype, with whole numbers accepted as floats, as type checkers do.

Beartype draws the items of a list that it checks. Here it draws them from a generator of its own: Hypothesis forbids
its strategies to touch the one of the module `random`, and a function that compiles in the background checks types too.
"""

import random
from collections.abc import Callable
from typing import TypeVar
from unittest import mock

with mock.patch("random.getrandbits", random.Random(0).getrandbits):  # taken over when beartype is imported
    from beartype import BeartypeConf, beartype

    _checked = beartype(conf=BeartypeConf(is_pep484_tower=True))

F = TypeVar("F", bound=Callable[..., object])


def check(function: F) -> F:
    """Returns a function that checks types; one that another function defines stays as it is.

    Such a function is defined anew in each call of the other; to decorate it takes longer than most of these calls.
    """
    return function if "<locals>" in function.__qualname__ else _checked(function)
