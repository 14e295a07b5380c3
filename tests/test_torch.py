"""An objective that trains a network of PyTorch, whose data loader forks worker processes."""

import importlib.util
import os
import subprocess
import sys

import pytest

TRIALS = 20
_SECONDS = 300  # it takes some ten: a fork that hangs fails the test, and does not stop all of them

SCRIPT = """
import sys
import warnings

import optuna
import torch
from torch.utils.data import DataLoader, TensorDataset

from transfernas.integrations.optuna import TransferSampler

optuna.logging.set_verbosity(optuna.logging.WARNING)
warnings.filterwarnings("ignore", message="This DataLoader will create")  # PyTorch's, where there is one core
torch.set_num_threads(1)
inputs = torch.randn(64, 4, generator=torch.Generator().manual_seed(0))
data = TensorDataset(inputs, inputs.sum(dim=1, keepdim=True))
workers, trials = map(int, sys.argv[1:])


def objective(trial):
    torch.manual_seed(0)
    units = trial.suggest_int("units", 2, 32, log=True)
    activation = getattr(torch.nn, trial.suggest_categorical("activation", ["ReLU", "Tanh"]))
    network = torch.nn.Sequential(torch.nn.Linear(4, units), activation(), torch.nn.Linear(units, 1))
    optimizer = torch.optim.SGD(network.parameters(), lr=trial.suggest_float("learning rate", 1e-4, 1e-1, log=True))
    loader = DataLoader(data, 16, shuffle=True, num_workers=workers, generator=torch.Generator().manual_seed(0))
    for _ in range(2):
        for batch, targets in loader:
            loss = torch.nn.functional.mse_loss(network(batch), targets)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
    return loss.item()


study = optuna.create_study(study_name="torch", sampler=TransferSampler(seed=0))
study.optimize(objective, n_trials=trials)
for trial in study.trials:
    print(trial.number, trial.params, trial.value)
"""


@pytest.mark.thorough
@pytest.mark.skipif(
    importlib.util.find_spec("torch") is None, reason="PyTorch is not installed: pip install '.[examples]'"
)
def test_a_data_loader_with_workers_neither_hangs_nor_warns_nor_changes_the_search() -> None:
    found = []
    for workers in (0, 2):
        done = subprocess.run(
            [sys.executable, "-W", "error", "-c", SCRIPT, str(workers), str(TRIALS)],
            env={name: value for name, value in os.environ.items() if not name.startswith("JAX_")},
            capture_output=True,
            text=True,
            timeout=_SECONDS,
        )
        assert done.returncode == 0 and done.stderr == "", done.stderr
        found.append(done.stdout)
    assert len(found[0].splitlines()) == TRIALS
    assert found[0] == found[1]
