"""Traced functions are kept in the cache folder, and serve other processes."""

import dataclasses
import errno
import math
import os
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from types import SimpleNamespace

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from programs import run as run_script
from transfernas.processes import exported as module
from transfernas.processes.exported import exported
from transfernas.processes.runtime import run

SEARCH = """
    from transfernas import Agent, Choice, Problem, SearchSpace
    agent = Agent([Problem(SearchSpace("space", [Choice("x", (1, 2, 3)), Choice("y", (1, 2))]), "task")], seed=0)
    proposed = []
    for _ in range(12):
        trial = agent.ask()
        agent.tell(trial, trial.config["x"] / trial.config["y"])
        proposed.append(tuple(trial.config.values()))
    print(proposed)
"""
WITHOUT_TRACING = """
    from transfernas.policy.decoder import Decoder
    def refuse(*_):
        raise AssertionError("traced")
    Decoder.decode_step = Decoder.candidate_logits = refuse
"""


@dataclasses.dataclass(frozen=True)
class Foreign:
    """A static argument of a class of the user's, whose code may change between processes."""

    factor: float


@pytest.fixture
def cache(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """The folder of exported functions, in an empty cache."""
    monkeypatch.setenv("TRANSFERNAS_CACHE", str(tmp_path))
    folder = module._folder()
    assert folder is not None and not folder.exists()
    return folder


def doubled(traced: list[str]) -> Callable[..., dict[str, jax.Array]]:
    """A new function, as in a new process, that notes when it is traced."""

    @partial(jax.jit, static_argnames=("factor",))
    @exported(lambda values, factor: values)
    def double(values: dict[str, jax.Array], factor: float | Foreign) -> dict[str, jax.Array]:
        traced.append("traced")
        by = factor.factor if isinstance(factor, Foreign) else factor
        return {key: by * value for key, value in values.items()}

    return double


@pytest.mark.thorough
def test_a_second_process_traces_nothing_and_proposes_the_same(tmp_path: Path) -> None:
    first = run_script(SEARCH, TRANSFERNAS_CACHE=str(tmp_path))
    assert run_script(WITHOUT_TRACING, SEARCH, TRANSFERNAS_CACHE=str(tmp_path)) == first
    assert len(list((tmp_path / "exported").rglob("*"))) > 2


@pytest.mark.thorough
def test_without_a_folder_to_write_to_functions_are_traced_as_always(tmp_path: Path) -> None:
    first = run_script(SEARCH, TRANSFERNAS_CACHE=str(tmp_path))
    (tmp_path / "file").write_text("no folder")
    assert run_script(SEARCH, TRANSFERNAS_CACHE=str(tmp_path / "file")) == first


def test_a_function_is_traced_once_for_each_shape_and_static_argument(cache: Path) -> None:
    traced: list[str] = []
    for values in (np.arange(3.0), np.arange(3.0) + 1.0, np.arange(4.0)):
        for factor in (2.0, 3.0):
            found = run(doubled(traced), {"a": values, "b": values[0]}, factor)
            np.testing.assert_array_equal(found["a"], factor * values)
            np.testing.assert_array_equal(found["b"], factor * values[0])
    assert len(traced) == 4 == len(list(cache.iterdir()))


@pytest.mark.parametrize("kept", [slice(0), slice(-1), slice(1, None)], ids=["empty", "cut", "begun late"])
def test_a_damaged_file_is_written_again(cache: Path, kept: slice) -> None:
    traced: list[str] = []
    run(doubled(traced), {"a": jnp.ones(2)}, 2.0)
    (path,) = cache.iterdir()
    whole = path.read_bytes()
    path.write_bytes(whole[kept])
    assert run(doubled(traced), {"a": jnp.ones(2)}, 2.0)["a"].tolist() == [2.0, 2.0]
    assert len(traced) == 2 and path.read_bytes() == whole


def test_classes_of_other_packages_are_traced_each_time(cache: Path) -> None:
    traced: list[str] = []
    for _ in range(2):
        assert run(doubled(traced), {"a": np.ones(1)}, Foreign(3.0))["a"].tolist() == [3.0]
    assert len(traced) == 2 and not cache.exists()


def test_another_version_of_the_sources_has_another_folder(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "room").mkdir()
    source = tmp_path / "room" / "code.py"
    monkeypatch.setattr(module, "_PACKAGE", tmp_path)
    monkeypatch.setattr(module, "_IMPORTED", math.inf)
    versions = []
    for text in ("a = 1", "a = 2", "a = 1"):
        source.write_text(text)
        versions.append(module._digest.__wrapped__())
    assert versions[0] == versions[2] != versions[1]
    source.unlink()  # a frozen program has no sources
    assert module._digest.__wrapped__() is None


def test_a_process_whose_sources_changed_after_the_import_keeps_no_trace(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    source = tmp_path / "code.py"
    monkeypatch.setattr(module, "_PACKAGE", tmp_path)
    source.write_text("a = 1")
    monkeypatch.setattr(module, "_IMPORTED", source.stat().st_mtime)
    assert module._digest.__wrapped__() is not None
    os.utime(source, times=(source.stat().st_mtime + 1.0,) * 2)
    assert module._digest.__wrapped__() is None


def test_functions_of_another_device_are_traced_each_time(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "device", lambda: SimpleNamespace(platform="gpu"))
    traced: list[str] = []
    for _ in range(2):
        assert run(doubled(traced), {"a": np.ones(1)}, 2.0)["a"].tolist() == [2.0]
    assert len(traced) == 2 and not cache.exists()


def test_without_a_home_functions_are_traced_each_time(monkeypatch: pytest.MonkeyPatch) -> None:
    def raises(_: type[Path]) -> Path:
        raise RuntimeError("Could not determine home directory.")

    monkeypatch.delenv("TRANSFERNAS_CACHE", raising=False)
    monkeypatch.delenv("XDG_CACHE_HOME", raising=False)
    monkeypatch.setattr(Path, "home", classmethod(raises))
    traced: list[str] = []
    for _ in range(2):
        assert run(doubled(traced), {"a": np.ones(1)}, 2.0)["a"].tolist() == [2.0]
    assert len(traced) == 2


def test_a_full_disk_keeps_no_part_of_a_file(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    found: list[int] = []

    def full(_: int) -> None:
        found.append(len(list(cache.iterdir())))
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    assert run(doubled([]), {"a": np.ones(1)}, 2.0)["a"].tolist() == [2.0]
    assert found == [1] and list(cache.iterdir()) == []


def test_folders_of_other_versions_go_when_they_are_a_week_old(cache: Path) -> None:
    old, new, others = cache.parent / ("0" * 16), cache.parent / ("1" * 16), cache.parent / "models"
    for folder, days in ((old, 8), (new, 6), (others, 8)):
        folder.mkdir(parents=True)
        (folder / "function").write_bytes(b"")
        os.utime(folder, times=(time.time() - days * 86400,) * 2)
    run(doubled([]), {"a": np.ones(1)}, 2.0)
    assert sorted(cache.parent.iterdir()) == sorted([cache, new, others])  # the user's own stays


@pytest.mark.thorough
def test_the_first_search_on_a_machine_says_that_it_compiles(tmp_path: Path) -> None:
    listening = "import logging, sys; logging.basicConfig(stream=sys.stdout, level=logging.INFO)"
    first, second = (run_script(listening, SEARCH, TRANSFERNAS_CACHE=str(tmp_path)) for _ in range(2))
    assert first.count("once for this machine") == 1 and "compiling" not in second
