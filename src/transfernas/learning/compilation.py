"""Compiling in the background, so that you get a new agent at once and its first trial soon after."""

import logging
import os
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from functools import partial

import numpy as np

from ..processes.runtime import run
from ..spaces.trajectory import blank_trajectories
from .learner import Learner, learn
from .proposal import LARGE_BATCH, SMALL_BATCH, count_candidates
from .steps import sample

_LOGGER = logging.getLogger(__name__)


class BackgroundCompiler:
    """Runs each compiled function once, on made-up input, in a thread of its own.

    A function must not be called elsewhere before its turn here is over: two callers at once would compile the function
    twice. The turn of a function that was compiled before takes milliseconds.
    """

    def __init__(self, learner: Learner, proposes: bool = True, settling: float = 0.0) -> None:
        """Starts the thread, which ends by itself.

        Args:
            learner: a learner with the shapes that the functions will be called with.
            proposes: whether to compile the functions that propose, and not only those that learn.
            settling: seconds for which the learner must stay the same before the function that learns is compiled.
        """
        self._learner, self._settling, self._wanted = learner, settling, threading.Event()
        self._samples: dict[int, Future[None]] = {count_candidates(learner): Future()} if proposes else {}
        config = learner.config.proposal
        if proposes and config.best_of is None and (learner.restricted or not config.repeats):
            self._samples |= {count: Future() for count in (SMALL_BATCH, LARGE_BATCH) if count not in self._samples}
        self._update: Future[None] = Future()
        self._process = os.getpid()
        turns: list[tuple[Future[None], Callable[[], object]]]
        turns = [(future, partial(_run_sample, learner, count)) for count, future in self._samples.items()]
        turns.insert(1, (self._update, self._run_update))
        thread = threading.Thread(target=_run_turns, args=(turns,), name="transfernas-compiler")
        try:
            thread.start()
        except RuntimeError:  # no more threads can be started, as in a program that is ending
            _run_turns(turns)

    def grown(self, learner: Learner) -> None:
        """Takes on a learner of other shapes; the function that learns is compiled for it if its turn is to come."""
        self._learner = learner

    def wait_for_sample(self, candidates: int) -> None:
        """Returns once drawing so many candidates needs no more compilation."""
        self._wait(self._samples[candidates])

    def wait_for_update(self) -> None:
        """Returns once learning needs no more compilation."""
        self._wait(self._update)

    def _wait(self, future: Future[None]) -> None:
        if os.getpid() == self._process:  # the thread is not there in a forked process, where a helper compiles
            self._wanted.set()
            future.result()

    def _run_update(self) -> None:
        learner = None
        while learner is not self._learner:
            learner = self._learner
            self._wanted.wait(self._settling)
        if not threading.main_thread().is_alive():  # the program ended in the meantime
            return
        none = np.zeros(learner.replicas, np.int32)
        trajectory = blank_trajectories((learner.replicas,), learner.encoding.steps)
        learn(learner, none, trajectory, np.zeros(learner.replicas))


def _run_turns(turns: Sequence[tuple[Future[None], Callable[[], object]]]) -> None:
    for future, turn in turns:
        try:
            # In a program that is ending only other threads wait, and these can compile for themselves.
            if threading.main_thread().is_alive():
                turn()
        except Exception:
            _LOGGER.debug("compiling in the background failed; the caller will see the error", exc_info=True)
        finally:
            future.set_result(None)


def _run_sample(learner: Learner, count: int) -> None:
    noise = np.zeros((learner.replicas, count, learner.encoding.steps), np.float32)
    problem = np.zeros(learner.replicas, np.int32)
    shares = np.zeros(count, np.float32)
    logit_bonus = np.zeros((learner.replicas, learner.capacity.actions), np.float32)
    run(sample, learner.state.policy, problem, learner.tables, problem, noise, shares, logit_bonus, None)
