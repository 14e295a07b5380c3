"""The policy network: scoring trajectories and decoding step by step."""
