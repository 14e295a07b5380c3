"""The agent as a sampler of Optuna's."""

from collections.abc import Callable

import optuna
import pytest
from optuna.testing.pytest_samplers import BasicSamplerTestCase, SingleOnlySamplerTestCase

from transfernas.integrations.optuna import TransferSampler

optuna.logging.set_verbosity(optuna.logging.ERROR)


class TestOfOptuna(BasicSamplerTestCase, SingleOnlySamplerTestCase):
    """What Optuna demands of every sampler."""

    @pytest.fixture
    def sampler(self) -> Callable[[], optuna.samplers.BaseSampler]:
        return lambda: TransferSampler(seed=0)
