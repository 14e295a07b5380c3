"""Writes files whole or not at all, and tells kinds of files apart by their first bytes."""

import contextlib
import difflib
import errno
import hashlib
import os
import platform
import stat
import uuid
from pathlib import Path
from typing import BinaryIO

try:
    import fcntl
except ImportError:  # Windows has no fcntl
    fcntl = None  # type: ignore[assignment]

_LONGEST_WRITE_SECONDS = 24 * 3600.0
"""Age from which a temporary file has no living writer on any machine."""


def is_database(path: Path) -> bool:
    """Returns whether a file is a database of SQLite's."""
    return _begin(path) == b"SQLite format 3\0"


def holds_studies(path: Path) -> bool:
    """Returns whether a file is a database of SQLite's, or a journal of Optuna's."""
    return is_database(path) or _begin(path).startswith(b'{"op_code"')


def close_file(path: Path) -> Path | None:
    """Returns the file in the folder of a missing one whose name is closest to its name; None if none is close."""
    try:
        close = difflib.get_close_matches(path.name, os.listdir(path.parent), n=1)
    except OSError:  # there is no such folder either
        return None
    return path.parent / close[0] if close else None


def is_agent(path: Path) -> bool:
    """Returns whether a file begins as those of safetensors do: a size of eight bytes, then JSON."""
    return _begin(path)[8:9] == b"{"


def _begin(path: Path) -> bytes:
    if not path.is_file():
        return b""
    with path.open("rb") as file:
        return file.read(16)


def write_atomically(path: Path, content: bytes) -> None:
    """Writes a file under a temporary name in the same folder and renames the file; a missing folder is created.

    An existing file keeps its mode. If the path is a symbolic link, its target is written and the link stays. Temporary
    files that killed writers of the same file left behind are removed.

    Args:
        path: Path of the file.
        content: Whole content of the file.

    Raises:
        OSError: The file cannot be written; the message names the path.
    """
    target = Path(os.path.realpath(path))
    target.parent.mkdir(parents=True, exist_ok=True)
    try:
        _replace(target, content)
    except OSError as error:
        if error.errno is None:
            raise
        raise OSError(error.errno, error.strerror, str(path)) from None


def _replace(target: Path, content: bytes) -> None:
    mode = _mode(target)
    made: tuple[Path, BinaryIO] | None = None
    try:
        made = part, file = _new_part(target)
        with file:
            if mode is not None and mode != stat.S_IMODE(os.fstat(file.fileno()).st_mode):
                os.chmod(part, mode)
            _remove_leftovers(target, part)
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
            if fcntl is None:
                file.close()  # Windows renames no open file
            os.replace(part, target)  # while the file is locked, so that no other writer takes it for a leftover
    except BaseException:
        if made is not None:
            _discard(*made)
        raise


def _mode(target: Path) -> int | None:
    """Returns the mode of an existing file, or None if there is no file.

    Raises:
        OSError: The path is a folder or a device.
    """
    try:
        found = target.stat().st_mode
    except FileNotFoundError:
        return None
    if stat.S_ISDIR(found):
        raise IsADirectoryError(errno.EISDIR, "Is a folder, not a file")
    if not stat.S_ISREG(found):
        raise OSError(errno.EINVAL, "Is not a regular file")
    return stat.S_IMODE(found)


def _new_part(target: Path) -> tuple[Path, BinaryIO]:
    """Returns the path of a new temporary file and the open file, which is locked until it is closed."""
    while True:
        part = target.with_name(f"{_prefix(target)}{_host()}.{uuid.uuid4().hex}.part")
        file: BinaryIO | None = None
        try:  # an interrupt may come as soon as the file is there
            file = open(part, "xb")  # noqa: SIM115  (the caller closes it)
            if _lock(file, wait=True) is not True or os.fstat(file.fileno()).st_nlink:
                return part, file
        except BaseException:
            if file is not None:
                _discard(part, file)
            raise
        file.close()  # another writer took it for a leftover before it was locked


def _discard(part: Path, file: BinaryIO) -> None:
    file.close()
    part.unlink(missing_ok=True)


def _remove_leftovers(target: Path, mine: Path) -> None:
    """Removes the temporary files of dead writers of the same file.

    The lock of a file shows whether a writer on this machine lives. Locks may not reach other machines that share the
    folder, so a file of another machine must be a day old, by the clock of the file system.
    """
    now = mine.stat().st_mtime
    with os.scandir(target.parent) as entries:
        names = [entry.name for entry in entries if entry.name.startswith(_prefix(target))]
    for left in (target.with_name(name) for name in names if name.endswith(".part") and name != mine.name):
        with contextlib.suppress(OSError), open(left, "rb+") as file:
            free = _lock(file, wait=False)
            here = free is True and left.name.startswith(f"{_prefix(target)}{_host()}.")
            if here or (free is not False and now - left.stat().st_mtime > _LONGEST_WRITE_SECONDS):
                left.unlink()


def _lock(file: BinaryIO, wait: bool) -> bool | None:
    """Locks a file; returns False if another process has the lock, and None if files cannot be locked."""
    if fcntl is None:
        return None
    try:
        fcntl.flock(file, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
    except BlockingIOError:
        return False
    except OSError:  # some network file systems have no locks
        return None
    return True


def _prefix(target: Path) -> str:
    """Returns the beginning of the temporary names of a file, which is short and differs from that of other files."""
    return f".{target.name[:16]}.{hashlib.sha256(os.fsencode(target.name)).hexdigest()[:16]}."


def _host() -> str:
    return hashlib.sha256(platform.node().encode()).hexdigest()[:8]
