"""How JAX is set up for a library that lives in other people's processes.

Import this before jax. Most objectives train a network of their own, often on a GPU and with worker processes, so:

- The agent computes on the CPU. Where jax was not imported yet and the user chose no platform, JAX is told to use the
  CPU alone, so that it neither looks for a GPU nor reserves its memory.
- Compiled functions are kept in the user's cache folder between runs, unless a cache was chosen. JAX has one cache for
  the process, so compiled functions of the user's own go there too.
- The library computes under settings of its own (`run`), whatever the user's are: double precision, a mesh, guards and
  checks are for the user's own computations.
- JAX and Python warn when a process with threads forks, since they do not live on in the child. Here a forked child
  either evaluates and calls no JAX, or has a helper process compute for it (`remote`), so these warnings are silenced.
"""

import contextlib
import functools
import hashlib
import os
import platform
import sys
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, TypeVar

_CHOSEN_BY_USER = "jax" in sys.modules or bool(os.environ.get("JAX_PLATFORMS"))

import jax  # noqa: E402  (what was imported before must be known first)

from .remote import Remote, on_host  # noqa: E402

T = TypeVar("T")

# The settings of JAX that reach a computation: what the library wants, and the context manager that says so. Those of
# a user who checks for NaN, say, would otherwise stop a search, and those of precision would change its results.
_OWN: dict[str, tuple[Any, Callable[[Any], contextlib.AbstractContextManager[Any]]]] = {
    "jax_enable_x64": (False, jax.enable_x64),
    "jax_numpy_dtype_promotion": ("standard", jax.numpy_dtype_promotion),
    "jax_numpy_rank_promotion": ("raise", jax.numpy_rank_promotion),
    "jax_disable_jit": (False, jax.disable_jit),
    "jax_default_matmul_precision": (None, jax.default_matmul_precision),
    "jax_debug_nans": (False, jax.debug_nans),
    "jax_debug_infs": (False, jax.debug_infs),
    "jax_check_tracer_leaks": (False, jax.check_tracer_leaks),
    "jax_no_tracing": (False, jax.no_tracing),
    "jax_no_execution": (False, jax.no_execution),
    "jax_default_device": (None, jax.default_device),
}
_GUARDS = tuple(f"jax_transfer_guard_{way}" for way in ("host_to_device", "device_to_device", "device_to_host"))

_used = False  # whether this process, or one that it was forked from, has computed
_forked = False  # whether JAX was started in a process that this one was forked from
_remote = Remote()


def set_up() -> None:
    """Configures JAX; called once, when the package is imported."""
    if not _CHOSEN_BY_USER:
        jax.config.update("jax_platforms", "cpu")
    if getattr(jax.config, "jax_compilation_cache_dir", None) is None:
        try:
            folder = cache_dir() / "jax" / _processor()
            folder.mkdir(parents=True, exist_ok=True)
        except (OSError, RuntimeError):
            folder = None  # no home, or none that can be written to: compiled code lives as long as the process
        if folder is not None and os.access(folder, os.W_OK):
            jax.config.update("jax_compilation_cache_dir", str(folder))
            jax.config.update("jax_persistent_cache_min_compile_time_secs", 0.2)
    warnings.filterwarnings("ignore", message=r"os\.fork\(\) was called", category=RuntimeWarning)  # JAX's
    warnings.filterwarnings(  # Python's own, from 3.12 on
        "ignore", message=r"This process .* is multi-threaded, use of fork\(\)", category=DeprecationWarning
    )


@functools.cache
def device() -> jax.Device:
    """Returns where the agent computes: the CPU, or JAX's default where the user left it no CPU."""
    try:
        return jax.local_devices(backend="cpu")[0]
    except RuntimeError:
        return jax.local_devices()[0]


def run(function: Callable[..., T], *arguments: Any) -> T:
    """Calls a compiled function under the library's own settings of JAX, and waits for its result.

    In a process that was forked from one that uses JAX, a helper process makes the call; its result has the same bits.

    Args:
        function: A function of a module of this package.
        arguments: Its arguments.

    Example:
        `state = run(update, state, tables, experience, pick, config)`
    """
    global _used
    if _forked:
        return _remote.run(function, arguments)
    _used = True
    with own_settings():
        return jax.block_until_ready(function(*arguments))


def placed(tree: T) -> T:
    """Puts the arrays of a tree where the library computes; in a forked process they are NumPy arrays."""
    global _used
    if _forked:
        return on_host(tree)
    _used = True
    with own_settings():
        return jax.block_until_ready(jax.device_put(tree, device()))


@contextlib.contextmanager
def own_settings() -> Iterator[None]:
    """Has JAX compute under the library's own settings, in this thread."""
    with contextlib.ExitStack() as stack:
        for name, (wanted, manager) in _OWN.items():
            if getattr(jax.config, name) != wanted:
                stack.enter_context(manager(wanted))
        if any(getattr(jax.config, name) not in (None, "allow") for name in _GUARDS):
            stack.enter_context(jax.transfer_guard("allow"))
        if not jax.sharding.get_abstract_mesh().empty or not jax.sharding.get_mesh().empty:
            stack.enter_context(jax.set_mesh(None))
        yield


def cache_dir() -> Path:
    """Returns the folder for what can be made again: `$TRANSFERNAS_CACHE`, or one in the user's cache folder."""
    chosen = os.environ.get("TRANSFERNAS_CACHE")
    if chosen:
        return Path(chosen)
    home = os.environ.get("XDG_CACHE_HOME")
    return (Path(home) if home else Path.home() / ".cache") / "transfernas"


def _processor() -> str:
    """Returns a name for this kind of processor: compiled code in a shared home must not meet another kind."""
    try:
        text = Path("/proc/cpuinfo").read_text(encoding="utf8")
        features = next(line for line in text.splitlines() if line.startswith(("flags", "Features")))
    except (OSError, StopIteration):
        features = platform.processor()
    return f"{platform.machine()}-{hashlib.sha256(features.encode()).hexdigest()[:12]}"


def _after_fork() -> None:
    """Takes note, in a forked child, of whether JAX was started before; then it cannot run here."""
    global _forked
    started = getattr(jax._src.xla_bridge, "backends_are_initialized", lambda: True)  # JAX has no public name for it
    _forked = _forked or _used or started()
    _remote.forget()


set_up()
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)
