"""Processes and threads: set-up and calls of JAX, forks, locks, Ctrl-C."""
