"""Long experiments in stages that survive an interrupt: what was evaluated and learned is on disk, and goes on.

A stage is a search. Its folder, named by the stage and how many trials are done, holds the record of them and what the
searchers need to go on; it is written under a temporary name and renamed, at the end, at an interrupt and every minute.
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

from transfernas.checkpoint.files import write_atomically
from transfernas.checkpoint.snapshot import CheckpointError
from transfernas.extras import needed
from transfernas.processes.interrupts import calling_at_interrupt

from .runner import Benchmark, ProgressFn, Replicas, search
from .trace import Trace, TraceRecorder

with needed("bench", __name__):
    from filelock import FileLock, Timeout

T = TypeVar("T")

KEEP_EVERY_SECONDS = 60.0
_RECORD, _SETTINGS = "record.npz", "settings.json"


class RunDirectory:
    """The folder of an experiment's stages."""

    def __init__(self, folder: Path, settings: Mapping[str, object], resume: bool) -> None:
        """Opens the folder, or begins it.

        Args:
            folder: made if there is none.
            settings: everything that the results depend on, for JSON.
            resume: whether to go on with what the folder holds.

        Raises:
            FileExistsError: the folder holds stages and is not to be resumed.
            ValueError: it is to be resumed and holds those of other settings.
            CheckpointError: its settings are damaged.
            BlockingIOError: another process begins a run there.
        """
        self._folder, self._stop = folder, threading.Event()
        wanted = _flat(json.loads(json.dumps(dict(settings))))
        self._resumed = not _begun(folder, wanted)
        if not self._resumed:
            return
        if not resume:
            raise FileExistsError(
                f"{folder} holds the stages of an earlier run: add --resume to go on with them, choose another --out, "
                f"or remove the folder"
            )
        found = _settings(folder)
        for name in sorted(found.keys() | wanted.keys()):
            if found.get(name) != wanted.get(name):
                raise ValueError(
                    f"{folder} holds a run with {name} {found.get(name)!r}, which cannot go on with "
                    f"{wanted.get(name)!r}"
                )

    @property
    def interrupted(self) -> bool:
        """Whether the searches are to end, by Ctrl-C or by `stop`."""
        return self._stop.is_set()

    @property
    def resumed(self) -> bool:
        """Whether there were stages before."""
        return self._resumed

    def stop(self) -> None:
        """Lets every running search end after its trial."""
        self._stop.set()

    @contextmanager
    def at_work(self) -> Iterator[None]:
        """Keeps other processes out, and lets the first Ctrl-C end the running searches after their trials.

        The second Ctrl-C raises where it always does.

        Raises:
            BlockingIOError: another process is at work in the folder.
        """
        with _locked(self._folder), calling_at_interrupt(self.stop):
            for left in self._folder.glob(".*.part"):  # of a killed process: only who has the lock writes here
                if left.is_dir():
                    shutil.rmtree(left)
                else:
                    left.unlink()
            yield

    def adopt(self, other: Path, names: Iterable[str], same: Sequence[str]) -> None:
        """Copies stages of an earlier run, those that are not here yet.

        Args:
            other: the folder of its stages.
            names: of the stages; those that it has not are left out.
            same: the settings on which those stages depend.

        Raises:
            FileNotFoundError: there is no run in the folder.
            ValueError: its settings are others.
            CheckpointError: its settings are damaged.
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
        """Runs a stage, goes on with it, or returns what it found before.

        Args:
            name: of the stage, and of its folder.
            replicas: the searchers, as new; agents are as after the last trial then.
            benchmarks: what they search, in the order of their rows.
            trials: how many trials each replica may spend.
            seed: of the rewards' noise.
            progress: told after every trial.
        """
        start = None
        for folder in self._kept(name)[-1:]:
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

    def _keep(self, name: str, replicas: Replicas, trace: Trace) -> None:
        earlier, folder = self._kept(name), self._folder / f"{name}.{trace.trials}"
        if folder in earlier:
            return
        part = self._folder / f".{name}.{uuid.uuid4().hex}.part"
        part.mkdir()
        trace.write(part / _RECORD)
        replicas.save(part)
        part.rename(folder)
        for old in earlier:
            shutil.rmtree(old)

    def _kept(self, name: str) -> list[Path]:
        return _kept(self._folder, name)


def run_in_parallel(run_directory: RunDirectory, *jobs: Callable[[], T]) -> list[T]:
    """Runs jobs that search in the stages at the same time, and returns what they do.

    Compiled code runs outside the interpreter's lock, so that threads are enough for a few cores. An error of one job
    ends the others' searches after their trials.
    """
    with ThreadPoolExecutor(len(jobs)) as pool:
        lanes = [pool.submit(job) for job in jobs]
        try:
            done, _ = wait(lanes, return_when=FIRST_EXCEPTION)
            ended = any(lane.exception() for lane in done)
        except KeyboardInterrupt:  # the second Ctrl-C; the lanes see neither
            ended = True
        if ended:
            run_directory.stop()
    return [lane.result() for lane in lanes]


def _begun(folder: Path, settings: dict[str, object]) -> bool:
    """Writes the settings of a run to a folder that has none; returns whether it had none."""
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
        FileNotFoundError: there is no run in the folder.
        CheckpointError: they are damaged.
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
    """Returns the folders of a stage, the one with the fewest trials first."""
    pattern = re.compile(re.escape(name) + r"\.(\d+)")
    found = [(int(match[1]), folder) for folder in parent.iterdir() if (match := pattern.fullmatch(folder.name))]
    return [folder for _, folder in sorted(found)]


def _flat(settings: object, prefix: str = "") -> dict[str, object]:
    """Returns nested settings as one level, so that a difference is named and not shown with all else."""
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
