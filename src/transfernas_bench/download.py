"""Downloads of large files: resumed where they broke off, checked, bounded in size and time, and whole or not there."""

import hashlib
import http.client
import json
import os
import re
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from http.client import HTTPMessage
from pathlib import Path
from typing import IO, NamedTuple

from transfernas.checkpoint.files import write_atomically

ProgressFn = Callable[[int, int | None], None]
"""Told the bytes done and the bytes in all, None if that is not known."""
_CHUNK_BYTES = 1 << 18


class DownloadError(OSError):
    """A file could not be downloaded."""


def download(
    url: str,
    path: Path,
    sha256: str | None,
    progress: ProgressFn | None = None,
    *,
    timeout_seconds: float = 60.0,
    attempts: int = 5,
    backoff_seconds: float = 1.0,
    most_bytes: int = 1 << 33,
    most_seconds: float = 24 * 3600.0,
) -> None:
    """Downloads a file, or the rest of it.

    What came is kept as `<path>.part` when the connection breaks or the process is interrupted, and the next call goes
    on from there if the server's file is the same (by its ETag or time) and the server can; else it starts again.

    Args:
        url: begins with https:// or http://.
        path: where the file will lie. One that is there and has the digest is kept; any other is replaced.
        sha256: the digest that the file must have; None for any.
        progress: told the bytes done and the bytes in all.
        timeout_seconds: how long to wait for the server to say anything.
        attempts: how often in a row to try without receiving anything.
        backoff_seconds: the wait before the second attempt; it doubles each time.
        most_bytes: the largest file that is taken.
        most_seconds: how long all attempts together may take; what came by then is kept.

    Raises:
        DownloadError: the url is no address of the web or leads to another one, the server refuses or does not answer,
            the file is too large or takes too long, or the digest is wrong.
        OSError: the file cannot be written.
    """
    if not url.startswith(("https://", "http://")):
        raise DownloadError(f"{url!r} is no address that can be downloaded; one begins with https:// or http://")
    if sha256 is not None and path.is_file() and file_sha256(path) == sha256:
        return
    path.parent.mkdir(parents=True, exist_ok=True)
    part, limits = _Part.of(path), _Limits(most_bytes, most_seconds, time.monotonic() + most_seconds)
    failures = 0
    while True:
        before = part.size()
        try:
            _fetch(url, part, progress, timeout_seconds, limits)
            break
        except _BrokenError as error:
            failures = 1 if part.size() > before else failures + 1
            if failures >= attempts:
                raise DownloadError(
                    f"{url}: {error}, {attempts} times in a row; {part.size()} bytes came and are kept in {part.data}: "
                    "try again later to go on from there"
                ) from None
        limits.check_time(url, part)
        time.sleep(backoff_seconds * 2 ** (failures - 1))
    _finish(url, part, path, sha256)


def file_sha256(path: Path, progress: ProgressFn | None = None) -> str:
    """Returns the SHA-256 of a file in hexadecimal digits."""
    digest, done, size = hashlib.sha256(), 0, path.stat().st_size
    with open(path, "rb") as file:
        while chunk := file.read(1 << 22):
            digest.update(chunk)
            done += len(chunk)
            if progress is not None:
                progress(done, size)
    return digest.hexdigest()


class _BrokenError(Exception):
    """The connection broke or the server is in trouble: another attempt may do."""


class _Part(NamedTuple):
    """What came so far, and beside it as JSON the url, the server's name for this version of the file, and its size."""

    data: Path
    about: Path

    @classmethod
    def of(cls, path: Path) -> "_Part":
        return cls(path.with_name(path.name + ".part"), path.with_name(path.name + ".part.json"))

    def size(self) -> int:
        return self.data.stat().st_size if self.data.exists() else 0

    def known(self, url: str) -> tuple[str | None, int | None]:
        """Returns the version that came so far and its whole size; no version if there is nothing to go on from."""
        try:
            about = json.loads(self.about.read_text(encoding="utf8"))
        except (OSError, ValueError):
            about = None
        if not isinstance(about, dict) or about.get("url") != url or not self.size():
            return None, None
        version, total = about.get("version"), about.get("bytes")
        return version if isinstance(version, str) else None, total if isinstance(total, int) else None

    def remove(self) -> None:
        self.about.unlink(missing_ok=True)
        self.data.unlink(missing_ok=True)


class _Limits(NamedTuple):
    """How much a download may take: bytes, seconds, and the time at which those are over."""

    most_bytes: int
    most_seconds: float
    deadline: float

    def check_size(self, url: str, part: _Part, size: int | None) -> None:
        """Checks the bytes of a file, as far as they are known.

        Raises:
            DownloadError: there are too many; the part is removed.
        """
        if size is not None and size > self.most_bytes:
            part.remove()
            raise DownloadError(f"{url}: the file is larger than {self.most_bytes:,} bytes; is the address right?")

    def check_time(self, url: str, part: _Part) -> None:
        """Checks how long it took so far.

        Raises:
            DownloadError: it was too long; the part is kept.
        """
        if time.monotonic() > self.deadline:
            raise DownloadError(
                f"{url}: it took more than {self.most_seconds:g} s; {part.size()} bytes came and are kept in "
                f"{part.data}: try again to go on from there"
            )


class _Redirects(urllib.request.HTTPRedirectHandler):
    """Follows redirects to other addresses of the web alone, and never from https:// to http://."""

    def redirect_request(
        self, req: urllib.request.Request, fp: IO[bytes], code: int, msg: str, headers: HTTPMessage, newurl: str
    ) -> urllib.request.Request | None:
        """Returns the request for the address that a redirect leads to.

        Raises:
            DownloadError: the address is of another kind.
        """
        if not newurl.startswith(("https://", "http://" if req.type == "http" else "https://")):
            fp.close()
            raise DownloadError(f"{req.full_url}: the server leads to {newurl!r}, which is not downloaded from here")
        return super().redirect_request(req, fp, code, msg, headers, newurl)


_OPENER = urllib.request.build_opener(_Redirects)


def _fetch(url: str, part: _Part, progress: ProgressFn | None, timeout_seconds: float, limits: _Limits) -> None:
    """Sends one request and appends what it brings; returns when the part is whole."""
    version, total = part.known(url)
    offset = part.size() if version else 0
    if version and offset == total:
        return
    with _open(url, part, version, offset, timeout_seconds) as response:
        if version and response.status == http.HTTPStatus.PARTIAL_CONTENT:
            begin, end, size = _content_range(response)
            if begin != offset or size not in (total, None) or _version(response) not in (version, None):
                part.remove()
                raise _BrokenError("the server sent another part or version of the file than was asked for")
        else:  # the first request, or the server has another version by now, or cannot send the rest alone
            part.remove()
            offset, total, end = 0, response.length, response.length
            limits.check_size(url, part, total)
            about = {"url": url, "version": _version(response), "bytes": total}
            write_atomically(part.about, json.dumps(about).encode())
        for done in _append(response, part, offset, end):
            if progress is not None:
                progress(done, total)
            limits.check_size(url, part, done)
            limits.check_time(url, part)
        if total is not None and part.size() < total:
            raise _BrokenError("the connection ended early")


def _open(url: str, part: _Part, version: str | None, offset: int, timeout_seconds: float) -> http.client.HTTPResponse:
    """Returns the server's answer to a request for the file, or for the rest of a version."""
    request = urllib.request.Request(url, headers={"Accept-Encoding": "identity", "User-Agent": "transfernas"})
    if version:
        request.add_header("Range", f"bytes={offset}-")
        request.add_header("If-Range", version)
    try:
        response: http.client.HTTPResponse = _OPENER.open(request, timeout=timeout_seconds)
    except urllib.error.HTTPError as error:
        with error:
            answer = f"the server answered {error.code} {error.reason}"
        if error.code == http.HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE:
            part.remove()
            raise _BrokenError(answer) from None
        if error.code >= 500 or error.code in (http.HTTPStatus.REQUEST_TIMEOUT, http.HTTPStatus.TOO_MANY_REQUESTS):
            raise _BrokenError(answer) from None
        raise DownloadError(f"{url}: {answer}; is the address right?") from None
    except DownloadError:
        raise
    except (ValueError, http.client.InvalidURL) as error:
        raise DownloadError(f"{url!r} is no address that can be downloaded: {error}") from None
    except (OSError, http.client.HTTPException) as error:
        reason = getattr(error, "reason", error)  # an URLError wraps another
        raise _BrokenError(f"no answer ({reason or type(error).__name__})") from None
    return response


def _append(response: http.client.HTTPResponse, part: _Part, done: int, end: int | None) -> Iterator[int]:
    """Appends what the server sends to the part, and yields how much of the file is there.

    Args:
        response: of the server.
        part: what came before.
        done: the bytes of it.
        end: where the server said that it stops; None if it did not.
    """
    with open(part.data, "ab") as file:
        while True:
            try:
                chunk = response.read1(_CHUNK_BYTES)  # what is there, so that a break loses none of it
            except (OSError, http.client.HTTPException) as error:
                raise _BrokenError(f"the connection broke ({error or type(error).__name__})") from None
            if not chunk:
                return
            if end is not None and done + len(chunk) > end:
                part.remove()
                raise _BrokenError("the server sent more than it said")
            file.write(chunk)
            file.flush()
            done += len(chunk)
            yield done


def _finish(url: str, part: _Part, path: Path, sha256: str | None) -> None:
    """Checks the whole file and gives it its name."""
    if sha256 is not None and (found := file_sha256(part.data)) != sha256:
        part.remove()
        raise DownloadError(
            f"{url}: the file has the SHA-256 {found}, not {sha256}, and was removed. Try again: if it is the same "
            "then, the server's file is another one"
        )
    with open(part.data, "rb+") as file:
        os.fsync(file.fileno())
    os.replace(part.data, path)
    part.remove()


def _version(response: http.client.HTTPResponse) -> str | None:
    """Returns the server's name for this version of the file, if it has one that a resumption can rest on."""
    tag = response.headers.get("ETag")
    return tag if tag and not tag.startswith("W/") else response.headers.get("Last-Modified")


def _content_range(response: http.client.HTTPResponse) -> tuple[int | None, int | None, int | None]:
    """Returns where a part begins, the byte behind it, and how large the whole is, as far as the server says so."""
    found = re.fullmatch(r"bytes (\d{1,18})-(\d{1,18})/(\d{1,18}|\*)", response.headers.get("Content-Range", ""))
    if not found:
        return None, None, None
    return int(found[1]), int(found[2]) + 1, None if found[3] == "*" else int(found[3])
