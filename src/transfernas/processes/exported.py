"""Functions of JAX that are traced once on a machine, instead of once in each process.

Tracing runs Python for each operation of a function. When the cache has the compiled code, tracing is most of what the
first trial of a process costs. Therefore each traced function is exported to the cache folder (`jax.export`), and other
processes load it. A function has a file for each combination of shapes and static arguments. The files of one version
of this package and of its libraries share a folder, whose name is a digest of the sources.
"""

import contextlib
import functools
import hashlib
import logging
import re
import shutil
import time
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path
from typing import Any, TypeVar

import jax
from jax import export

from ..files import write_atomically
from .runtime import cache_dir, device

_LOGGER = logging.getLogger(__name__)

_PACKAGE = Path(__file__).parents[1]
_KNOWN = {_PACKAGE.name, "builtins", "equinox", "jax", "jaxlib", "numpy", "optax"}
"""The packages whose code the digest covers."""

_UNUSED_SECONDS = 7 * 24 * 3600.0
"""Age of the latest file from which the folder of another version is removed."""

_CHECKSUM = 32  # bytes before the content

_IS_DIGEST = re.compile("[0-9a-f]{16}")

_PLATFORM = "cpu"

_IMPORTED = time.time()

FunctionT = TypeVar("FunctionT", bound=Callable[..., Any])


def exported(result_like: Callable[..., Any]) -> Callable[[FunctionT], FunctionT]:
    """Makes a function load its trace from the cache folder; put the decorator between `jax.jit` and the function.

    The function must be part of this package. It is traced as always if an argument is of a class that neither this
    package nor its libraries define, because a change of that class would go unnoticed; if this package's sources
    changed after the import; if there is no cache folder; and if the agent does not compute on the CPU. If the cache
    folder cannot be written, each process exports the function for itself.

    Args:
        result_like: A function of the same arguments that returns any tree with the structure of the result.

    Returns:
        A decorator; the decorated function has the same results, to the bit.

    Example:
        ```python
        import jax
        import jax.numpy as jnp

        from transfernas.processes.exported import exported
        from transfernas.processes.runtime import run

        @jax.jit
        @exported(lambda state, change: state)
        def step(state, change):
            return {name: value + change for name, value in state.items()}

        print(run(step, {"weight": jnp.zeros(3)}, 0.1))
        ```
    """

    def decorate(function: FunctionT) -> FunctionT:
        @functools.wraps(function)
        def call(*arguments: Any) -> Any:
            if (folder := _folder()) is None or _has_foreign(arguments):
                return function(*arguments)
            leaves, structure = jax.tree.flatten(arguments)
            arrays = [leaf for leaf in leaves if isinstance(leaf, jax.Array)]
            static = [None if isinstance(leaf, jax.Array) else leaf for leaf in leaves]

            def on_arrays(*given: jax.Array) -> list[jax.Array]:
                left = iter(given)
                leaves = [next(left) if leaf is None else leaf for leaf in static]
                return jax.tree.leaves(function(*jax.tree.unflatten(structure, leaves)))

            shapes = [jax.ShapeDtypeStruct(each.shape, each.dtype, weak_type=each.weak_type) for each in arrays]
            names = [f"{shape.dtype}{shape.shape}{shape.weak_type}" for shape in shapes]
            key = repr((function.__module__, function.__qualname__, structure, names, static))
            path = folder / hashlib.sha256(key.encode()).hexdigest()[:32]
            program = _load(path)
            if program is None:
                _say_once()
                program = export.export(jax.jit(on_arrays), platforms=[_PLATFORM])(*shapes)
                _save(path, program)
            found = program.call(*arrays)
            return jax.tree.unflatten(jax.tree.structure(result_like(*arguments)), found)

        return call  # type: ignore[return-value]

    return decorate


@functools.cache
def _say_once() -> None:
    """Tells why the first trial on a machine takes seconds."""
    _LOGGER.info("compiling functions of the agent's network, each once for this machine; this takes some seconds")


def _has_foreign(arguments: tuple[Any, ...]) -> bool:
    """Returns whether arguments are of classes that other packages define, or hold such objects."""

    def is_foreign(node: object) -> bool:
        return type(node).__module__.partition(".")[0] not in _KNOWN

    return any(map(is_foreign, jax.tree.leaves(arguments, is_leaf=is_foreign)))


def _folder() -> Path | None:
    """Returns the folder of this version; None if functions are to be traced as always."""
    digest = _digest()
    if digest is None or device().platform != _PLATFORM:
        return None
    try:
        return cache_dir() / "exported" / digest
    except RuntimeError:  # the user has no home
        return None


@functools.cache
def _digest() -> str | None:
    """Returns a digest of all that a trace follows from: the package's sources, and the versions of its libraries.

    Returns:
        The digest. None if the sources are not there, as in a frozen program, or if they changed after the import:
        this process has the old code, whose traces must not serve processes with the new code.
    """
    sources = sorted(_PACKAGE.rglob("*.py"))
    if not sources:
        return None
    digest = hashlib.sha256()
    for source in sources:
        stat = source.stat()
        if max(stat.st_mtime, stat.st_ctime) > _IMPORTED:
            return None
        digest.update(f"{source.relative_to(_PACKAGE).as_posix()} {stat.st_size} ".encode())
        digest.update(source.read_bytes())
    digest.update(" ".join(map(version, ("jax", "jaxlib", "equinox", "optax"))).encode())
    return digest.hexdigest()[:16]


def _load(path: Path) -> export.Exported | None:
    """Returns an exported function, or None if there is no file, or no whole one."""
    try:
        content = path.read_bytes()
        if hashlib.sha256(content[_CHECKSUM:]).digest() == content[:_CHECKSUM]:
            return export.deserialize(bytearray(content[_CHECKSUM:]))
    except OSError:
        return None
    except Exception:
        _LOGGER.debug("%s cannot be read; the function is traced again", path, exc_info=True)
    return None


def _save(path: Path, program: export.Exported) -> None:
    """Writes an exported function, and removes unused folders of other versions when the folder is made."""
    try:
        is_first, content = not path.parent.is_dir(), bytes(program.serialize())
        write_atomically(path, hashlib.sha256(content).digest() + content)
        if is_first:
            _remove_unused(path.parent)
    except OSError:
        _LOGGER.debug("%s cannot be written; other processes trace the function again", path, exc_info=True)


def _remove_unused(folder: Path) -> None:
    for other in folder.parent.iterdir():
        with contextlib.suppress(OSError):
            unused = time.time() - other.stat().st_mtime > _UNUSED_SECONDS
            if unused and other != folder and _IS_DIGEST.fullmatch(other.name):  # else it may be a folder of the user's
                shutil.rmtree(other)
