"""TransferNAS inside of Optuna: the sampler, and figures in the style of Optuna's."""

from .sampler import ATTRIBUTE as ATTRIBUTE
from .sampler import SPACE as SPACE
from .sampler import TransferSampler as TransferSampler
