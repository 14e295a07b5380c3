"""Baseline searchers with the same ask and tell as the agent."""
