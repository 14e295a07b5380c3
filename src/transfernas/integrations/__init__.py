"""The agent in the tools that people have."""
