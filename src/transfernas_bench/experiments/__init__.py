"""Experiments: replicas in lockstep, statistics, and a module for each figure or table."""
