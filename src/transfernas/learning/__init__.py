"""Learning: REINFORCE, priority queue training and entropy, over independent replicas."""
