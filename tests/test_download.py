"""Downloads from a server that breaks off, forgets, changes its mind, refuses or says nothing."""

import contextlib
import hashlib
import http.client
import io
import re
import threading
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import numpy as np
import pytest

from transfernas_bench.download import DownloadError, _Redirects, download

CONTENT = np.random.default_rng(0).bytes(3_000_000)
SHA256 = hashlib.sha256(CONTENT).hexdigest()


@dataclass
class Server:
    """How the server behaves, and what it was asked for and sent."""

    content: bytes = CONTENT
    headers: dict[str, str] = field(default_factory=lambda: {"ETag": '"one"'})
    ranges: bool = True
    heeds_if_range: bool = True
    says_length: bool = True
    break_after: list[int] = field(default_factory=list)  # bytes of each answer; whole answers after the last
    status: list[int] = field(default_factory=list)  # of the first answers
    silent: threading.Event | None = None
    leads_to: list[str] = field(default_factory=list)  # redirects, first of all
    range: str = "bytes {begin}-{last}/{size}"
    more: bytes = b""  # behind what was asked for
    url: str = ""
    asked: list[tuple[str | None, str | None]] = field(default_factory=list)  # Range, If-Range
    sent: list[int] = field(default_factory=list)


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
    asked, version = handler.headers.get("Range"), handler.headers.get("If-Range")
    server.asked.append((asked, version))
    if server.status:
        handler.send_error(server.status.pop(0))
        return
    if server.leads_to:
        handler.send_response(302)
        handler.send_header("Location", server.leads_to.pop(0))
        handler.end_headers()
        return
    same = not server.heeds_if_range or version in server.headers.values()
    begin = int(asked.removeprefix("bytes=").removesuffix("-")) if asked and server.ranges and same else 0
    body = server.content[begin:]
    handler.send_response(206 if begin else 200)
    for name, value in server.headers.items():
        handler.send_header(name, value)
    if begin:
        size = len(server.content)
        handler.send_header("Content-Range", server.range.format(begin=begin, last=size - 1, size=size))
        body += server.more
    if server.says_length:
        handler.send_header("Content-Length", str(len(body)))
    handler.end_headers()
    body = body[: server.break_after.pop(0)] if server.break_after else body
    server.sent.append(len(body))
    with contextlib.suppress(OSError):  # the client went away
        handler.wfile.write(body)


def fetch(server: Server, path: Path, sha256: str | None = SHA256, attempts: int = 3, timeout: float = 10.0) -> None:
    download(server.url, path, sha256, attempts=attempts, timeout_seconds=timeout, backoff_seconds=0.001)


def only(path: Path, content: bytes = CONTENT) -> None:
    """The file is whole, and nothing lies beside it."""
    assert path.read_bytes() == content
    assert list(path.parent.iterdir()) == [path]


def test_a_file_comes_whole_and_once(server: Server, tmp_path: Path) -> None:
    path, told = tmp_path / "new folder" / "file", list[tuple[int, int | None]]()
    download(server.url, path, SHA256, lambda done, total: told.append((done, total)))
    only(path)
    assert [done for done, _ in told] == sorted(done for done, _ in told)
    assert told[-1] == (len(CONTENT), len(CONTENT))
    fetch(server, path)
    assert len(server.sent) == 1
    path.write_bytes(b"something else")
    fetch(server, path)
    only(path)


@pytest.mark.parametrize("name", ["ETag", "Last-Modified"])
def test_a_broken_connection_goes_on_where_it_broke(server: Server, tmp_path: Path, name: str) -> None:
    server.headers = {name: "Wed, 21 Oct 2015 07:28:00 GMT"}
    server.break_after = [1_000_000, 0, 500_000]
    fetch(server, tmp_path / "file")
    only(tmp_path / "file")
    assert server.sent == [1_000_000, 0, 500_000, 1_500_000]
    version = server.headers[name]
    resumed = [(f"bytes={begin}-", version) for begin in (1_000_000, 1_000_000, 1_500_000)]
    assert server.asked == [(None, None), *resumed]


def test_an_interrupted_download_goes_on(server: Server, tmp_path: Path) -> None:
    def interrupt(done: int, total: int | None) -> None:
        if done > 1_000_000:
            raise KeyboardInterrupt

    path, part = tmp_path / "file", tmp_path / "file.part"
    with pytest.raises(KeyboardInterrupt):
        download(server.url, path, SHA256, interrupt)
    assert not path.exists()
    kept = part.stat().st_size
    assert 1_000_000 < kept < 2_000_000
    fetch(server, path)
    only(path)
    assert server.sent[1] == len(CONTENT) - kept


def test_a_whole_part_is_not_asked_for_again(server: Server, tmp_path: Path) -> None:
    def interrupt(done: int, total: int | None) -> None:
        if done == total:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        download(server.url, tmp_path / "file", SHA256, interrupt)
    fetch(server, tmp_path / "file")
    only(tmp_path / "file")
    assert len(server.asked) == 1


def test_a_part_of_another_address_is_not_used(server: Server, tmp_path: Path) -> None:
    server.break_after = [1_000_000]
    with pytest.raises(DownloadError):
        fetch(server, tmp_path / "file", attempts=1)
    server.url += "?other"
    fetch(server, tmp_path / "file")
    only(tmp_path / "file")
    assert server.asked[1] == (None, None)


@pytest.mark.parametrize("damage", [b"", b"[]", b"{", b'{"url": 1}', b"\xff"])
def test_a_damaged_note_beside_the_part_starts_again(server: Server, tmp_path: Path, damage: bytes) -> None:
    server.break_after = [1_000_000]
    with pytest.raises(DownloadError):
        fetch(server, tmp_path / "file", attempts=1)
    (tmp_path / "file.part.json").write_bytes(damage)
    fetch(server, tmp_path / "file")
    only(tmp_path / "file")


def test_a_server_that_can_not_resume_starts_again(server: Server, tmp_path: Path) -> None:
    server.ranges, server.break_after = False, [1_000_000]
    fetch(server, tmp_path / "file")
    only(tmp_path / "file")
    assert server.sent == [1_000_000, len(CONTENT)]
    assert server.asked[1] == ("bytes=1000000-", '"one"')


@pytest.mark.parametrize("headers", [{}, {"ETag": 'W/"weak"'}])
def test_without_a_version_it_starts_again(server: Server, tmp_path: Path, headers: dict[str, str]) -> None:
    server.headers, server.break_after = headers, [1_000_000]
    fetch(server, tmp_path / "file")
    only(tmp_path / "file")
    assert server.asked == [(None, None)] * 2


@pytest.mark.parametrize("heeds", [True, False])
def test_a_changed_file_starts_again(server: Server, tmp_path: Path, heeds: bool) -> None:
    server.content, server.break_after = CONTENT[::-1], [1_000_000]
    with pytest.raises(DownloadError, match="1000000 bytes came and are kept"):
        fetch(server, tmp_path / "file", attempts=1)
    server.content, server.headers, server.heeds_if_range = CONTENT, {"ETag": '"two"'}, heeds
    fetch(server, tmp_path / "file")
    only(tmp_path / "file")
    assert server.asked[1] == ("bytes=1000000-", '"one"')
    assert server.sent[-1] == len(CONTENT)


def test_a_range_that_is_refused_starts_again(server: Server, tmp_path: Path) -> None:
    server.break_after, server.status = [1_000_000], []
    with pytest.raises(DownloadError):
        fetch(server, tmp_path / "file", attempts=1)
    server.status = [416]
    fetch(server, tmp_path / "file")
    only(tmp_path / "file")
    assert [asked for asked, _ in server.asked] == [None, "bytes=1000000-", None]


def test_a_server_that_says_no_length(server: Server, tmp_path: Path) -> None:
    server.says_length = False
    told: list[int | None] = []
    download(server.url, tmp_path / "file", SHA256, lambda done, total: told.append(total))
    only(tmp_path / "file")
    assert set(told) == {None}


def test_a_server_in_trouble_is_asked_again(server: Server, tmp_path: Path) -> None:
    server.status = [503, 429]
    fetch(server, tmp_path / "file")
    only(tmp_path / "file")
    server.status = [503] * 3
    with pytest.raises(DownloadError, match="the server answered 503 Service Unavailable, 3 times in a row"):
        fetch(server, tmp_path / "other")


def test_it_gives_up_and_keeps_what_came(server: Server, tmp_path: Path) -> None:
    server.break_after = [1_000_000, 0, 0]
    path = tmp_path / "file"
    message = (
        f"{server.url}: the connection ended early, 3 times in a row; 1000000 bytes came and are kept in {path}.part"
    )
    with pytest.raises(DownloadError, match=re.escape(message)):
        fetch(server, path)
    fetch(server, path)
    only(path)
    assert server.sent[-1] == 2_000_000


def test_a_wrong_digest(server: Server, tmp_path: Path) -> None:
    with pytest.raises(
        DownloadError, match=f"{re.escape(server.url)}: the file has the SHA-256 {SHA256}, not {'0' * 64}"
    ):
        fetch(server, tmp_path / "file", "0" * 64)
    assert not list(tmp_path.iterdir())
    fetch(server, tmp_path / "file", None)
    only(tmp_path / "file")


def test_a_missing_file_is_asked_for_once(server: Server, tmp_path: Path) -> None:
    server.status = [404]
    with pytest.raises(DownloadError, match=f"{re.escape(server.url)}: the server answered 404 Not Found"):
        fetch(server, tmp_path / "file")
    assert len(server.asked) == 1
    assert not list(tmp_path.iterdir())


def test_a_server_that_says_nothing(server: Server, tmp_path: Path) -> None:
    server.silent = threading.Event()
    try:
        with pytest.raises(DownloadError, match="no answer .*timed out.*, 2 times in a row; 0 bytes came"):
            fetch(server, tmp_path / "file", attempts=2, timeout=0.05)
    finally:
        server.silent.set()


def test_no_server(tmp_path: Path) -> None:
    with pytest.raises(DownloadError, match="no answer"):
        download("http://127.0.0.1:1/file", tmp_path / "file", None, attempts=2, backoff_seconds=0.001)


@pytest.mark.parametrize(
    "url", ["file:///etc/hostname", "nasbench", "http://with space/", "http://x:port/", "http://127.0.0.1:1/ü"]
)
def test_no_address(url: str, tmp_path: Path) -> None:
    with pytest.raises(DownloadError, match=f"'{url}' is no address that can be downloaded"):
        download(url, tmp_path / "file", None, attempts=1)
    assert not (tmp_path / "file").exists()


def test_a_folder_that_can_not_be_made(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises((NotADirectoryError, FileExistsError), match="file"):
        download("http://127.0.0.1:1/file", tmp_path / "file" / "inner", None)


@pytest.mark.parametrize(
    ("said", "more"),
    [
        ("bytes {begin}-{last}/{size}", b"x"),
        ("bytes {begin}-{last}/{size}", b"x" * 500_000),
        ("bytes {begin}-{last}/*", b"x"),
        ("bytes {begin}-2000000/{size}", b""),
        ("bytes {begin}-{begin}/{size}", b""),
    ],
)
@pytest.mark.parametrize("says_length", [True, False])
def test_a_part_that_is_longer_than_its_range_is_not_taken(
    server: Server, tmp_path: Path, said: str, more: bytes, says_length: bool
) -> None:
    server.range, server.more, server.break_after, server.says_length = said, more, [1_000_000], says_length
    server.break_after += [10**9]  # the rest as it is
    if not says_length:  # or a file that breaks off would be taken for whole
        server.says_length = True
        with pytest.raises(DownloadError):
            fetch(server, tmp_path / "file", attempts=1)
        server.says_length = False
        with pytest.raises(DownloadError, match="the server sent more than it said"):
            fetch(server, tmp_path / "file", attempts=1)
        assert not (tmp_path / "file.part").exists()
        return
    fetch(server, tmp_path / "file")
    only(tmp_path / "file")
    assert [asked for asked, _ in server.asked] == [None, "bytes=1000000-", None]  # afresh


@pytest.mark.parametrize(
    "said",
    [
        *(
            "",
            "bytes",
            "bytes */3000000",
            "bytes 1000000-/3000000",
            "bytes -1-2/3000000",
            "pages 1000000-2999999/3000000",
        ),
        *(
            "bytes 0-2999999/3000000",
            "bytes 1000000-2999999/3000001",
            "bytes 1000000-2999999/x",
            f"bytes {'1' * 5000}-2/3",
        ),
    ],
)
def test_a_part_that_says_something_else_is_not_taken(server: Server, tmp_path: Path, said: str) -> None:
    server.range, server.break_after = said, [1_000_000]
    fetch(server, tmp_path / "file")
    only(tmp_path / "file")
    assert [asked for asked, _ in server.asked] == [None, "bytes=1000000-", None]


@pytest.mark.parametrize("says_length", [True, False])
def test_a_file_that_is_too_large_is_given_up(server: Server, tmp_path: Path, says_length: bool) -> None:
    server.says_length = says_length
    with pytest.raises(DownloadError, match=f"{re.escape(server.url)}: the file is larger than 2,999,999 bytes"):
        download(server.url, tmp_path / "file", SHA256, most_bytes=len(CONTENT) - 1)
    assert not list(tmp_path.iterdir()) and len(server.asked) == 1
    download(server.url, tmp_path / "file", SHA256, most_bytes=len(CONTENT))
    only(tmp_path / "file")


def test_a_download_that_takes_too_long_is_given_up_and_goes_on_later(server: Server, tmp_path: Path) -> None:
    with pytest.raises(
        DownloadError, match=r"it took more than 0 s; \d+ bytes came and are kept in .*file.part: try again"
    ):
        download(server.url, tmp_path / "file", SHA256, most_seconds=0)
    kept = (tmp_path / "file.part").stat().st_size
    assert 0 < kept < len(CONTENT)
    fetch(server, tmp_path / "file")
    only(tmp_path / "file")
    assert server.asked[1][0] == f"bytes={kept}-"


def test_a_server_that_always_breaks_is_given_up_in_time(server: Server, tmp_path: Path) -> None:
    server.status = [503] * 3
    with pytest.raises(DownloadError, match="it took more than 0 s; 0 bytes came"):
        download(server.url, tmp_path / "file", SHA256, most_seconds=0, backoff_seconds=0.001)
    assert len(server.asked) == 1


def test_a_redirect_is_followed(server: Server, tmp_path: Path) -> None:
    server.leads_to = ["/elsewhere", server.url]
    fetch(server, tmp_path / "file")
    only(tmp_path / "file")


@pytest.mark.parametrize(
    "address",
    [
        "ftp://127.0.0.1:1/file",
        "FTP://127.0.0.1:1/file",
        "file:///etc/hostname",
        "data:,x",
        "gopher://x/",
        "mailto:a@b",
    ],
)
def test_a_redirect_away_from_the_web_is_not_followed(server: Server, tmp_path: Path, address: str) -> None:
    server.leads_to = [address] * 3
    with pytest.raises(DownloadError, match=r"which is not downloaded from here|is not allowed") as caught:
        fetch(server, tmp_path / "file")
    assert server.url in str(caught.value) and address in str(caught.value).replace("ftp", address[:3])
    assert len(server.asked) == 1 and not list(tmp_path.iterdir())


def test_a_redirect_does_not_give_up_encryption() -> None:
    request = urllib.request.Request("https://example.org/file")
    answer = io.BytesIO(), 302, "Found", http.client.HTTPMessage()
    with pytest.raises(DownloadError, match="https://example.org/file: the server leads to 'http://example.org/file'"):
        _Redirects().redirect_request(request, *answer, "http://example.org/file")
    followed = _Redirects().redirect_request(request, *answer, "https://example.org/other")
    assert followed is not None and followed.full_url == "https://example.org/other"
