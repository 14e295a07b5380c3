"""Folders of long experiments, whose stages continue after an interrupt.

A stage is a search. The folder of a stage, named by the stage and the number of trials done, holds the record of the
trials and the state of the searchers. The folder is written under a temporary name and renamed: at the end of the
stage, at an interrupt and every minute. An experiment may also keep stages of another form (`keep` and `kept`).
"""

import json
import re
import shutil
import threading
import time
import uuid
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import FIRST_EXCEPTION, ThreadPoolExecutor, wait
from contextlib import contextmanager
from pathlib import Path
from typing import TypeVar

from transfernas.checkpoint.snapshot import CheckpointError
from transfernas.extras import needed
from transfernas.files import write_atomically
from transfernas.processes.interrupts import calling_at_interrupt

from .runner import Benchmark, ProgressFn, Replicas, search
from .trace import Trace, TraceRecorder

with needed("bench", __name__):
    from filelock import FileLock, Timeout

T = TypeVar("T")

KEEP_EVERY_SECONDS = 60.0
_RECORD, _SETTINGS = "record.npz", "settings.json"


class RunDirectory:
    """Folder with the stages of an experiment."""

    def __init__(self, folder: Path, settings: Mapping[str, object], resume: bool) -> None:
        """Opens the folder of a run, or begins a run.

        Args:
            folder: Path of the folder, created if missing.
            settings: All settings that determine the results, for JSON.
            resume: Whether to continue an earlier run in the folder.

        Raises:
            FileExistsError: The folder has an earlier run, and `resume` is False.
            ValueError: The earlier run has other settings.
            CheckpointError: The settings of the earlier run are damaged.
            BlockingIOError: Another process begins a run in the folder.
        """
        self._folder, self._stop = folder, threading.Event()
        wanted = _flat(json.loads(json.dumps(dict(settings))))
        self._resumed = not _begun(folder, wanted)
        if not self._resumed:
            return
        if not resume:
            raise FileExistsError(
                f"{folder} holds the stages of an earlier run: add --resume to continue them, choose another --out, "
                f"or remove the folder"
            )
        found = _settings(folder)
        for name in sorted(found.keys() | wanted.keys()):
            if found.get(name) != wanted.get(name):
                raise ValueError(
                    f"{folder} holds a run with {name} {found.get(name)!r}, which cannot continue with "
                    f"{wanted.get(name)!r}"
                )

    @property
    def interrupted(self) -> bool:
        """Whether Ctrl-C or `stop` asked the searches to end."""
        return self._stop.is_set()

    @property
    def resumed(self) -> bool:
        """Whether the folder had an earlier run."""
        return self._resumed

    def stop(self) -> None:
        """Asks every running search to end after its trial."""
        self._stop.set()

    @contextmanager
    def at_work(self) -> Iterator[None]:
        """Locks the folder for this process, and makes the first Ctrl-C end the running searches after their trials.

        The second Ctrl-C has its usual effect.

        Raises:
            BlockingIOError: Another process is at work in the folder.
        """
        with _locked(self._folder), calling_at_interrupt(self.stop):
            for left in self._folder.glob(".*.part"):  # from a killed process, as only the owner of the lock writes
                if left.is_dir():
                    shutil.rmtree(left)
                else:
                    left.unlink()
            yield

    def adopt(self, other: Path, names: Iterable[str], same: Sequence[str]) -> None:
        """Copies stages of another run that this folder lacks.

        Args:
            other: Folder of the other run.
            names: Names of the stages; names that the other run lacks are skipped.
            same: Names of the settings that determine these stages.

        Raises:
            FileNotFoundError: The other folder has no run.
            ValueError: A setting of `same` differs.
            CheckpointError: The settings of the other run are damaged.
        """
        there, here = _settings(other), _settings(self._folder)
        for name in same:
            if there.get(name) != here.get(name):
                raise ValueError(f"{other} holds a run with {name} {there.get(name)!r}, not {here.get(name)!r}")
        for name in names:
            for folder in [] if self._kept(name) else _kept(other, name)[-1:]:
                part = self._folder / f".{name}.{uuid.uuid4().hex}.part"
                shutil.copytree(folder, part)
                part.rename(self._folder / folder.name)

    def search(
        self,
        name: str,
        replicas: Replicas,
        benchmarks: Sequence[Benchmark],
        trials: int,
        seed: int,
        progress: ProgressFn,
    ) -> Trace:
        """Runs a stage or continues it, and returns its record; a finished stage is read from the folder.

        Args:
            name: Name of the stage and of its folder.
            replicas: New searchers. Agents have the state after the last trial when the method returns.
            benchmarks: Benchmarks of the search, in the order of their rows.
            trials: Number of trials of each replica.
            seed: Seed of the rewards' noise.
            progress: Function that is called after every trial.
        """
        start = None
        if folder := self.kept(name):
            start = Trace.read(folder / _RECORD)
            progress(start.trials, float(start.values[:, -1].mean()))
            if start.trials >= trials:
                replicas.finish(folder, start)
                return start
            replicas.resume(folder, start)
        last = time.monotonic()

        def after_trial(recorder: TraceRecorder) -> bool:
            nonlocal last
            if self.interrupted or time.monotonic() - last > KEEP_EVERY_SECONDS:
                self._keep(name, replicas, recorder.trace(interrupted=recorder.trials < trials))
                last = time.monotonic()
            return self.interrupted

        trace = search(replicas, benchmarks, trials, seed, progress, start, after_trial)
        if trace.interrupted:
            self.stop()
        else:
            self._keep(name, replicas, trace)
        return trace

    def kept(self, name: str) -> Path | None:
        """Returns the folder of a stage with its latest state; None for a stage without a state."""
        return next(iter(self._kept(name)[-1:]), None)

    def keep(self, name: str, done: int, write: Callable[[Path], None]) -> None:
        """Keeps the state of a stage, whole or not at all, in place of an earlier state.

        Args:
            name: Name of the stage and of its folder.
            done: How much of the stage is done; a state with this number that is kept already stays.
            write: Function that writes the state to the files of an empty folder.
        """
        earlier, folder = self._kept(name), self._folder / f"{name}.{done}"
        if folder in earlier:
            return
        part = self._folder / f".{name}.{uuid.uuid4().hex}.part"
        part.mkdir()
        write(part)
        part.rename(folder)
        for old in earlier:
            shutil.rmtree(old)

    def _keep(self, name: str, replicas: Replicas, trace: Trace) -> None:
        def write(folder: Path) -> None:
            trace.write(folder / _RECORD)
            replicas.save(folder)

        self.keep(name, trace.trials, write)

    def _kept(self, name: str) -> list[Path]:
        return _kept(self._folder, name)


def run_in_parallel(run_directory: RunDirectory, *jobs: Callable[[], T]) -> list[T]:
    """Runs jobs that search in stages at the same time, in threads, and returns their results.

    Compiled code runs outside of the interpreter's lock, so threads are enough for a few cores. An error of a job ends
    the searches of the other jobs after their trials.
    """
    with ThreadPoolExecutor(len(jobs)) as pool:
        lanes = [pool.submit(job) for job in jobs]
        try:
            done, _ = wait(lanes, return_when=FIRST_EXCEPTION)
            ended = any(lane.exception() for lane in done)
        except KeyboardInterrupt:  # the second Ctrl-C, which no lane receives
            ended = True
        if ended:
            run_directory.stop()
    return [lane.result() for lane in lanes]


def _begun(folder: Path, settings: dict[str, object]) -> bool:
    """Writes the settings of a run to a folder without settings; returns whether they were written."""
    file = folder / _SETTINGS
    if file.exists():
        return False
    folder.mkdir(parents=True, exist_ok=True)
    with _locked(folder):
        if file.exists():  # another process was faster
            return False
        write_atomically(file, json.dumps(settings).encode())
    return True


def _settings(folder: Path) -> dict[str, object]:
    """Reads the settings of a run.

    Raises:
        FileNotFoundError: There is no run in the folder.
        CheckpointError: The settings are damaged.
    """
    file = folder / _SETTINGS
    try:
        found = json.loads(file.read_bytes())
    except (ValueError, RecursionError) as error:
        raise CheckpointError(f"{file} is damaged: {error}; remove {folder} to start the run afresh") from None
    if not isinstance(found, dict):
        raise CheckpointError(f"{file} is damaged: it holds no settings; remove {folder} to start the run afresh")
    return found


def _kept(parent: Path, name: str) -> list[Path]:
    """Returns the folders of a stage by the number of trials, in ascending order."""
    pattern = re.compile(re.escape(name) + r"\.(\d+)")
    found = [(int(match[1]), folder) for folder in parent.iterdir() if (match := pattern.fullmatch(folder.name))]
    return [folder for _, folder in sorted(found)]


def _flat(settings: object, prefix: str = "") -> dict[str, object]:
    """Returns nested settings as a flat mapping, so that an error names the setting that differs."""
    if not isinstance(settings, dict):
        return {prefix: settings}
    found = dict[str, object]()
    for name, value in settings.items():
        found |= _flat(value, f"{prefix}.{name}" if prefix else name)
    return found


@contextmanager
def _locked(folder: Path) -> Iterator[None]:
    try:
        held = FileLock(folder / ".lock").acquire(blocking=False)
    except Timeout:
        text = f"another process is at work in {folder}; wait for it, or choose another --out"
        raise BlockingIOError(text) from None
    with held:
        yield
