"""Settings for every test."""

import jax

import transfernas  # noqa: F401  (sets up JAX first)

jax.config.update("jax_numpy_rank_promotion", "raise")
