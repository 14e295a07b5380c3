"""Experiments: replicas in lockstep, statistics, and one module for each figure or table."""
