"""The type checker of the tests: beartype, with whole numbers accepted as floats, as type checkers do."""

from beartype import BeartypeConf, beartype

check = beartype(conf=BeartypeConf(is_pep484_tower=True))
