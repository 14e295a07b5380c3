"""The agent inside of other tools: Optuna, Ray Tune, and ConfigSpace."""
