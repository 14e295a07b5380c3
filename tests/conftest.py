"""Settings for every test."""

import signal

import jax
from hypothesis import settings

import transfernas  # noqa: F401  (sets up JAX first)

jax.config.update("jax_numpy_rank_promotion", "raise")

# The same examples in every run: a failure is a change's, not a seed's. `--hypothesis-profile explore` looks further.
settings.register_profile("same", derandomize=True, deadline=None)
settings.register_profile("explore", deadline=None, max_examples=1000)
settings.load_profile("same")

# A shell starts what it puts into the background with Ctrl-C ignored; tests of interrupts need it as it is elsewhere.
signal.signal(signal.SIGINT, signal.default_int_handler)
