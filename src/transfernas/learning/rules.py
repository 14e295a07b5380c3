"""The learning rules to choose from."""

from .preferences import Preferences
from .reinforce import Reinforce
from .rule import LearningRule

RULES: dict[str, type[LearningRule]] = {"reinforce": Reinforce, "preferences": Preferences}
"""The class of each rule by its `kind`. An entry here makes a rule a value of `TrainingConfig.rule`."""
