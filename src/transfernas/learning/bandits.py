"""The proposer bandits to choose from."""

from .bandit import BaseBanditConfig
from .thompson import BanditConfig

BANDITS: dict[str, type[BaseBanditConfig]] = {BanditConfig.kind: BanditConfig}
"""The settings of each bandit by their `kind`. An entry here makes them a value of `TransferConfig.bandit`."""
