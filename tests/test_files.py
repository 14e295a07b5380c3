"""Files: whole or not at all, whoever is killed, and no trace of it stays."""

import errno
import os
import signal
import stat
import subprocess
import sys
import textwrap
import time
from collections.abc import Callable
from pathlib import Path
from subprocess import PIPE

import pytest

from transfernas import files
from transfernas.files import write_atomically

posix = pytest.mark.skipif(os.name != "posix", reason="modes and links")


def writer(target: Path, before: str) -> subprocess.Popen[str]:
    """Starts a process that does something, and then writes a file."""
    code = f"""
        import importlib.util, os, platform, signal, sys
        from pathlib import Path
        spec = importlib.util.spec_from_file_location("files", {files.__file__!r})
        files = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(files)  # alone: the package takes a second
        def killed(*_, **__): os.kill(os.getpid(), signal.SIGKILL)
        def waiting(descriptor): print("writing", flush=True), sys.stdin.readline()
        {before}
        files.write_atomically(Path({str(target)!r}), b"by another process")
    """
    command = [sys.executable, "-c", textwrap.dedent(code)]
    return subprocess.Popen(command, text=True, stdin=PIPE, stdout=PIPE, stderr=PIPE)


def kill_at(step: str, target: Path, before: str = "pass") -> None:
    with writer(target, f"{before}; {step} = killed") as process:
        assert process.wait() == -signal.SIGKILL


def parts(folder: Path) -> list[Path]:
    return sorted(folder.glob(".*.part"))


@pytest.mark.thorough
@posix
@pytest.mark.parametrize("step", ["os.fsync", "os.replace", "files._remove_leftovers", "files._lock"])
@pytest.mark.parametrize("there", [False, True])
def test_what_a_killed_writer_leaves_is_removed_by_the_next(tmp_path: Path, step: str, there: bool) -> None:
    target, other = tmp_path / "agent", tmp_path / "another"
    if there:
        target.write_bytes(b"before")
    for killed in range(3):
        kill_at(step, target)
        assert target.exists() == there and (not there or target.read_bytes() == b"before")
        assert len(parts(tmp_path)) == (1 if step in ("os.fsync", "os.replace") else killed + 1)
    write_atomically(other, b"another file's writer leaves them")
    assert parts(tmp_path)
    write_atomically(target, b"after")
    assert target.read_bytes() == b"after" and sorted(os.listdir(tmp_path)) == ["agent", "another"]


@posix
@pytest.mark.parametrize("name", ["agent", "a" * 255, "ä" * 127, "[x]*?.json", ".hidden", "a\nb"], ids=ascii)
def test_a_living_writer_keeps_its_file(tmp_path: Path, name: str) -> None:
    target = tmp_path / name
    with writer(target, "os.fsync = waiting") as process:
        assert process.stdout is not None and process.stdout.readline() == "writing\n"
        (part,) = parts(tmp_path)
        long_ago = time.time() - 10 * 24 * 3600
        os.utime(part, (long_ago, long_ago))
        write_atomically(target, b"by this process")
        assert parts(tmp_path) == [part] and target.read_bytes() == b"by this process"
        process.communicate("\n")
        assert process.wait() == 0
    assert target.read_bytes() == b"by another process" and os.listdir(tmp_path) == [name]


@posix
@pytest.mark.parametrize(("hours", "stays"), [(0, True), (23, True), (25, False)])
@pytest.mark.parametrize("elsewhere", ["platform.node = lambda: 'elsewhere'", "files.fcntl = None"], ids=str)
def test_files_of_another_machine_must_be_a_day_old(tmp_path: Path, elsewhere: str, hours: int, stays: bool) -> None:
    target = tmp_path / "agent"
    kill_at("os.fsync", target, elsewhere.replace("files.fcntl = None", "platform.node = lambda: 'without locks'"))
    (part,) = parts(tmp_path)
    then = time.time() - hours * 3600
    os.utime(part, (then, then))
    write_atomically(target, b"after")
    assert parts(tmp_path) == ([part] if stays else [])


@posix
@pytest.mark.parametrize(("hours", "stays"), [(0, True), (25, False)])
def test_without_locks_leftovers_must_be_a_day_old(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, hours: int, stays: bool
) -> None:
    target = tmp_path / "agent"
    kill_at("os.fsync", target)
    (part,) = parts(tmp_path)
    then = time.time() - hours * 3600
    os.utime(part, (then, then))

    def no_locks(*_: object) -> None:
        raise OSError(errno.ENOLCK, "No locks available")

    monkeypatch.setattr("fcntl.flock", no_locks)
    write_atomically(target, b"after")
    assert target.read_bytes() == b"after" and parts(tmp_path) == ([part] if stays else [])


@posix
def test_a_writer_whose_file_was_taken_for_a_leftover_begins_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The next writer comes between the making of the file and its lock."""
    lock, taken = files._lock, list[Path]()

    def taken_first(file: object, wait: bool) -> object:
        if not taken:
            taken.extend(parts(tmp_path))
            taken[0].unlink()
        return lock(file, wait)  # type: ignore[arg-type]

    monkeypatch.setattr(files, "_lock", taken_first)
    write_atomically(tmp_path / "agent", b"content")
    assert taken and os.listdir(tmp_path) == ["agent"] and (tmp_path / "agent").read_bytes() == b"content"


@posix
@pytest.mark.parametrize("mode", [0o600, 0o640, 0o644, 0o664, 0o755, 0o444])
def test_an_existing_file_keeps_its_mode(tmp_path: Path, mode: int) -> None:
    path = tmp_path / "agent"
    path.write_bytes(b"before")
    path.chmod(mode)
    write_atomically(path, b"after")
    assert path.read_bytes() == b"after" and stat.S_IMODE(path.stat().st_mode) == mode


@posix
@pytest.mark.parametrize("umask", [0o000, 0o022, 0o027, 0o077])
def test_a_new_file_follows_the_umask(tmp_path: Path, umask: int) -> None:
    before = os.umask(umask)
    try:
        write_atomically(tmp_path / "agent", b"content")
    finally:
        os.umask(before)
    assert stat.S_IMODE((tmp_path / "agent").stat().st_mode) == 0o666 & ~umask


@posix
@pytest.mark.parametrize("there", [True, False], ids=["there", "dangling"])
@pytest.mark.parametrize("link", ["elsewhere/agent", "second", "../{}/elsewhere/agent"])
def test_a_link_stays_and_its_target_is_written(tmp_path: Path, link: str, there: bool) -> None:
    target, path = tmp_path / "elsewhere" / "agent", tmp_path / "link"
    (tmp_path / "second").symlink_to("elsewhere/agent")
    path.symlink_to(link.format(tmp_path.name))
    if there:
        target.parent.mkdir()
        target.write_bytes(b"before")
    write_atomically(path, b"after")
    assert path.is_symlink() and (tmp_path / "second").is_symlink() and not target.is_symlink()
    assert target.read_bytes() == b"after"
    assert sorted(os.listdir(tmp_path)) == ["elsewhere", "link", "second"] and os.listdir(target.parent) == ["agent"]


def raising(number: int) -> Callable[..., None]:
    def fail(*_: object, **__: object) -> None:
        raise OSError(number, os.strerror(number), ".a.hidden.part")

    return fail


@pytest.mark.parametrize("step", ["os.fsync", "os.replace", "files.open"])
@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EACCES, errno.EROFS, errno.EDQUOT, errno.EIO])
def test_an_error_names_the_path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int, step: str) -> None:
    path = tmp_path / "agent"
    path.write_bytes(b"before")
    with monkeypatch.context() as patch:
        where, name = step.split(".")
        patch.setattr({"os": os, "files": files}[where], name, raising(number), raising=False)
        with pytest.raises(OSError) as caught:
            write_atomically(path, b"after")
    assert caught.value.errno == number and caught.value.filename == str(path)
    assert str(path) in str(caught.value) and "hidden" not in str(caught.value)
    assert path.read_bytes() == b"before" and os.listdir(tmp_path) == ["agent"]


@posix
def test_a_full_disk_is_an_error_that_names_the_path(tmp_path: Path) -> None:
    path = tmp_path / "agent"
    path.write_bytes(b"before")
    small = "import resource; signal.signal(signal.SIGXFSZ, signal.SIG_IGN)"
    small += "; resource.setrlimit(resource.RLIMIT_FSIZE, (4, 4))"  # as if 4 bytes were free
    with writer(path, small) as process:
        assert process.stderr is not None
        assert f"File too large: '{path}'" in process.stderr.read()
    assert path.read_bytes() == b"before" and os.listdir(tmp_path) == ["agent"]


@posix
def test_only_a_regular_file_is_replaced(tmp_path: Path) -> None:
    folder, pipe, loop = tmp_path / "folder", tmp_path / "pipe", tmp_path / "loop"
    folder.mkdir()
    os.mkfifo(pipe)
    loop.symlink_to("loop")
    for path, kind in ((folder, IsADirectoryError), (pipe, OSError), (loop, OSError), (Path("/dev/null"), OSError)):
        with pytest.raises(kind) as caught:
            write_atomically(path, b"content")
        assert str(path) in str(caught.value)
    assert sorted(os.listdir(tmp_path)) == ["folder", "loop", "pipe"] and stat.S_ISCHR(os.stat("/dev/null").st_mode)
