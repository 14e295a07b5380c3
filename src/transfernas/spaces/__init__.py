"""Conditional search spaces, problems over them, and their encoding as arrays."""
