"""What concerns processes and threads: how JAX is set up and called, forks, locks, Ctrl-C."""
