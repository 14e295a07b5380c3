"""`TransferSampler` of the package transfernas (`pip install 'transfernas[optuna]'`)."""

from transfernas.integrations.optuna import TransferSampler
from transfernas.integrations.studies import learn_from_studies

__all__ = ["TransferSampler", "learn_from_studies"]
