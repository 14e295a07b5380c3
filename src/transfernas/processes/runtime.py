"""Sets JAX up for a library that shares a process with the user's program, and calls compiled functions.

Import this module before jax. Most objectives train a network in the same process, often on a GPU and with worker
processes. Therefore:

- The agent computes on the CPU. If jax is not imported yet and the user chose no platform, JAX uses the CPU alone, so
  JAX neither looks for a GPU nor reserves GPU memory.
- Compiled functions are kept in the user's cache folder between runs, unless the user chose a cache. JAX has a single
  cache for the process, so compiled functions of the user's program go there too.
- The library computes under its own settings (`run`). The user's settings, such as double precision, a mesh, guards and
  checks, apply to the user's computations alone.
- JAX and Python warn when a process with threads forks, because threads do not survive in the child. A forked child
  here either calls no JAX or uses a helper process (`remote`), so these warnings are silenced.
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

import jax  # noqa: E402  (whether jax was imported before must be known first)

from .remote import Remote, on_host  # noqa: E402

T = TypeVar("T")

# Settings of JAX that affect a computation: the library's value, and the context manager that sets the value. The
# user's check for NaN, for example, would stop a search, and the user's precision would change the results.
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

_used = False  # whether this process, or a process that it was forked from, has computed
_forked = False  # whether JAX was started in a process that this process was forked from
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
            folder = None  # without a writable home, compiled code lives as long as the process
        if folder is not None and os.access(folder, os.W_OK):
            jax.config.update("jax_compilation_cache_dir", str(folder))
            jax.config.update("jax_persistent_cache_min_compile_time_secs", 0.2)
    warnings.filterwarnings("ignore", message=r"os\.fork\(\) was called", category=RuntimeWarning)  # JAX's
    warnings.filterwarnings(  # from Python, since 3.12
        "ignore", message=r"This process .* is multi-threaded, use of fork\(\)", category=DeprecationWarning
    )


@functools.cache
def device() -> jax.Device:
    """Returns the device of the agent: the CPU, or JAX's default device if the user's platforms exclude the CPU."""
    try:
        return jax.local_devices(backend="cpu")[0]
    except RuntimeError:
        return jax.local_devices()[0]


def run(function: Callable[..., T], *arguments: Any) -> T:
    """Calls a compiled function under the library's settings of JAX, and waits for the result.

    In a process that was forked from a process that uses JAX, a helper process makes the call. The result has the same
    bits.

    Args:
        function: A function of a module of this package.
        arguments: Arguments of the function.

    Returns:
        Result of the function.

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
    """Returns a tree with its arrays on the device of the agent; in a forked process, with NumPy arrays."""
    global _used
    if _forked:
        return on_host(tree)
    _used = True
    with own_settings():
        return jax.block_until_ready(jax.device_put(tree, device()))


@contextlib.contextmanager
def own_settings() -> Iterator[None]:
    """Makes JAX compute under the library's settings in this thread."""
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
    """Returns the folder for reproducible files: `$TRANSFERNAS_CACHE`, or a folder in the user's cache folder."""
    chosen = os.environ.get("TRANSFERNAS_CACHE")
    if chosen:
        return Path(chosen)
    home = os.environ.get("XDG_CACHE_HOME")
    return (Path(home) if home else Path.home() / ".cache") / "transfernas"


def _processor() -> str:
    """Returns a name of the kind of processor, because another kind in a shared home must not run the compiled code."""
    try:
        text = Path("/proc/cpuinfo").read_text(encoding="utf8")
        features = next(line for line in text.splitlines() if line.startswith(("flags", "Features")))
    except (OSError, StopIteration):
        features = platform.processor()
    return f"{platform.machine()}-{hashlib.sha256(features.encode()).hexdigest()[:12]}"


def _after_fork() -> None:
    """Records in a forked child whether JAX was started in the parent; JAX cannot run in the child then."""
    global _forked
    started = getattr(jax._src.xla_bridge, "backends_are_initialized", lambda: True)  # JAX has no public function
    _forked = _forked or _used or started()
    _remote.forget()


set_up()
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)
