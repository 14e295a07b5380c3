"""`TransferSampler` of the package transfernas, installed with `pip install '.[optuna]'` in a clone of TransferNAS."""

from transfernas.integrations.optuna import TransferSampler
from transfernas.integrations.studies import learn_from_studies

__all__ = ["TransferSampler", "learn_from_studies"]
