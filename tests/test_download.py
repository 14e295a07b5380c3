"""Downloads from a server that breaks off, refuses, leads elsewhere or says nothing."""

import contextlib
import hashlib
import re
import sys
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import numpy as np
import pytest

from transfernas_bench.download import DownloadError, download

CONTENT = np.random.default_rng(0).bytes(1_000_000)
SHA256 = hashlib.sha256(CONTENT).hexdigest()


@dataclass
class Server:
    """How the server behaves, and how many answers it sent."""

    says_length: bool = True
    break_after: list[int] = field(default_factory=list)  # bytes of each answer; whole answers after the last
    status: list[int] = field(default_factory=list)  # of the first answers
    silent: threading.Event | None = None
    leads_to: list[str] = field(default_factory=list)  # redirects, first of all
    url: str = ""
    asked: int = 0


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    behaviour = Server()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            answer(self, behaviour)

        def log_message(self, format: str, *args: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as running:
        behaviour.url = f"http://127.0.0.1:{running.server_address[1]}/some%20file.bin"
        thread = threading.Thread(target=running.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield behaviour
        running.shutdown()
        thread.join()


def answer(handler: BaseHTTPRequestHandler, server: Server) -> None:
    if server.silent is not None:
        server.silent.wait(10)
        return
    server.asked += 1
    if server.status:
        handler.send_error(server.status.pop(0))
        return
    if server.leads_to:
        handler.send_response(302)
        handler.send_header("Location", server.leads_to.pop(0))
        handler.end_headers()
        return
    handler.send_response(200)
    if server.says_length:
        handler.send_header("Content-Length", str(len(CONTENT)))
    handler.end_headers()
    with contextlib.suppress(OSError):  # the client went away
        handler.wfile.write(CONTENT[: server.break_after.pop(0)] if server.break_after else CONTENT)


def only(path: Path) -> None:
    """The file is whole, and nothing lies beside it."""
    assert path.read_bytes() == CONTENT
    assert list(path.parent.iterdir()) == [path]


def test_a_file_comes_whole_and_once(server: Server, tmp_path: Path) -> None:
    path, told = tmp_path / "new folder" / "file", list[tuple[int, int | None]]()
    download(server.url, path, SHA256, lambda done, total: told.append((done, total)))
    only(path)
    assert [done for done, _ in told] == sorted(done for done, _ in told) and len(told) > 2
    assert told[-1] == (len(CONTENT), len(CONTENT))
    download(server.url, path, SHA256)
    assert server.asked == 1
    path.write_bytes(b"something else")
    download(server.url, path, SHA256)
    only(path)


def test_a_file_of_no_known_digest_is_downloaded_anew(server: Server, tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"something else")
    download(server.url, tmp_path / "file", None)
    only(tmp_path / "file")


@pytest.mark.parametrize("sha256", [SHA256, None])
def test_a_broken_connection_leaves_nothing(server: Server, tmp_path: Path, sha256: str | None) -> None:
    server.break_after = [500_000]
    with pytest.raises(DownloadError, match=f"{re.escape(server.url)}: the server did not answer, or the connection"):
        download(server.url, tmp_path / "file", sha256)
    assert not list(tmp_path.iterdir())
    download(server.url, tmp_path / "file", sha256)
    only(tmp_path / "file")


@pytest.mark.parametrize("sha256", [SHA256, None])
def test_a_download_that_fails_keeps_the_earlier_file(server: Server, tmp_path: Path, sha256: str | None) -> None:
    (tmp_path / "file").write_bytes(b"something else")
    server.break_after = [500_000]
    with pytest.raises(DownloadError):
        download(server.url, tmp_path / "file", sha256)
    assert [path.read_bytes() for path in tmp_path.iterdir()] == [b"something else"]


def test_an_interrupt_leaves_nothing(server: Server, tmp_path: Path) -> None:
    def interrupt(done: int, total: int | None) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        download(server.url, tmp_path / "file", SHA256, interrupt)
    assert not list(tmp_path.iterdir())


def test_a_server_that_says_no_length(server: Server, tmp_path: Path) -> None:
    server.says_length = False
    told: list[tuple[int, int | None]] = []
    download(server.url, tmp_path / "file", SHA256, lambda done, total: told.append((done, total)))
    only(tmp_path / "file")
    assert {total for _, total in told} == {None} and told[-1][0] >= len(CONTENT)


def test_a_wrong_digest(server: Server, tmp_path: Path) -> None:
    with pytest.raises(DownloadError, match=f"{re.escape(server.url)}: .* expected {'0' * 64} but got {SHA256}"):
        download(server.url, tmp_path / "file", "0" * 64)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(("status", "text"), [(404, "404 Not Found"), (503, "503 Service Unavailable")])
def test_a_server_that_refuses(server: Server, tmp_path: Path, status: int, text: str) -> None:
    server.status = [status]
    with pytest.raises(DownloadError, match=f"{re.escape(server.url)}: the server answered {text}"):
        download(server.url, tmp_path / "file", SHA256)
    assert not list(tmp_path.iterdir())


def test_a_server_that_says_nothing(server: Server, tmp_path: Path) -> None:
    server.silent = threading.Event()
    try:
        with pytest.raises(DownloadError, match="the server did not answer, .*timed out"):
            download(server.url, tmp_path / "file", SHA256, timeout_seconds=0.05)
    finally:
        server.silent.set()


def test_no_server(tmp_path: Path) -> None:
    with pytest.raises(DownloadError, match="http://127.0.0.1:1/file: the server did not answer"):
        download("http://127.0.0.1:1/file", tmp_path / "file", None)


@pytest.mark.parametrize("url", ["file:///etc/hostname", "nasbench", "http://x:port/", "http://", "https://[/"])
def test_no_address(url: str, tmp_path: Path) -> None:
    with pytest.raises(DownloadError, match=re.escape(url)):
        download(url, tmp_path / "file", None)
    assert not list(tmp_path.iterdir())


def test_a_folder_that_can_not_be_made(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises((NotADirectoryError, FileExistsError), match="file"):
        download("http://127.0.0.1:1/file", tmp_path / "file" / "inner", None)


def test_a_redirect_is_followed(server: Server, tmp_path: Path) -> None:
    server.leads_to = ["/elsewhere", server.url]
    download(server.url, tmp_path / "file", SHA256)
    only(tmp_path / "file")


@pytest.mark.parametrize("address", ["ftp://127.0.0.1:1/file", "file:///etc/hostname", "data:,x", "mailto:a@b"])
def test_a_redirect_away_from_the_web_is_not_followed(server: Server, tmp_path: Path, address: str) -> None:
    server.leads_to = [address]
    with pytest.raises(DownloadError, match=re.escape(server.url)):
        download(server.url, tmp_path / "file", SHA256)
    assert server.asked == 1 and not list(tmp_path.iterdir())


def test_without_the_extra(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pooch", None)
    with pytest.raises(ModuleNotFoundError, match=re.escape("pip install '.[bench]'")):
        download("http://127.0.0.1:1/file", tmp_path / "file", None)
