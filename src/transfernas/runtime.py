"""How JAX is set up for a library that lives in other people's processes.

Import this before jax. Most objectives train a network of their own, often on a GPU and with worker processes, so:

- The agent computes on the CPU. Where jax was not imported yet and the user chose no platform, JAX is told to use the
  CPU alone, so that it neither looks for a GPU nor reserves its memory.
- Compiled functions are kept in the user's cache folder between runs, unless a cache was chosen. JAX has one cache for
  the process, so compiled functions of the user's own go there too.
- JAX and Python warn when a process with threads forks, since they do not live on in the child. Here the child
  evaluates and calls no JAX, and the agent holds no lock of its own while an objective runs, so these warnings are
  silenced.
"""

import functools
import hashlib
import os
import platform
import sys
import warnings
from pathlib import Path

_CHOSEN_BY_USER = "jax" in sys.modules or bool(os.environ.get("JAX_PLATFORMS"))

import jax  # noqa: E402  (what was imported before must be known first)


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


set_up()
