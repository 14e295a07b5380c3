"""Downloads of large files: checked, and whole or not there."""

import hashlib
import logging
from collections.abc import Callable
from pathlib import Path

from transfernas.extras import needed

ProgressFn = Callable[[int, int | None], None]
"""Told the bytes done and the bytes in all, None if that is not known."""
_CHUNK_BYTES = 1 << 18


class DownloadError(OSError):
    """A file could not be downloaded."""


def download(
    url: str, path: Path, sha256: str | None, progress: ProgressFn | None = None, *, timeout_seconds: float = 60.0
) -> None:
    """Downloads a file. What came until a connection breaks, or an interrupt, is removed.

    Args:
        url: begins with https:// or http://.
        path: where the file will lie. One that is there and has the digest is kept; any other is replaced.
        sha256: the digest that the file must have; None for any.
        progress: told the bytes done and the bytes in all.
        timeout_seconds: how long to wait for the server to say anything.

    Raises:
        DownloadError: the url is no address of the web, the server refuses or does not answer, the connection breaks,
            or the digest is wrong.
        OSError: the file cannot be written.
        ModuleNotFoundError: the extra `bench` is not installed.
    """
    if not url.startswith(("https://", "http://")):
        raise DownloadError(f"{url!r} is no address that can be downloaded; one begins with https:// or http://")
    with needed("bench", "a download"):
        import pooch
        from requests import HTTPError, RequestException
    pooch.get_logger().setLevel(logging.WARNING)
    bar = False if progress is None else _Bar(progress)
    path.parent.mkdir(parents=True, exist_ok=True)
    # pooch keeps a file of no known digest that is there, so that the new one comes under a name of its own.
    new = path.with_name(f".{path.name}.new") if sha256 is None else path
    if sha256 is None:
        new.unlink(missing_ok=True)
    try:
        fetch = pooch.HTTPDownloader(progressbar=bar, chunk_size=_CHUNK_BYTES, timeout=timeout_seconds)
        pooch.retrieve(url, sha256, new.name, new.parent, downloader=fetch)
        new.replace(path)
    except HTTPError as error:
        assert error.response is not None
        answer = f"{error.response.status_code} {error.response.reason}"
        raise DownloadError(f"{url}: the server answered {answer}; is the address right?") from None
    except RequestException as error:
        raise DownloadError(f"{url}: the server did not answer, or the connection broke ({error})") from None
    except ValueError as error:  # of the digest, or of an address
        raise DownloadError(f"{url}: {error}") from None


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


class _Bar:
    """What pooch takes for a progress bar."""

    def __init__(self, progress: ProgressFn) -> None:
        self._progress, self._done, self.total = progress, 0, 0

    def update(self, count: int) -> None:
        """Adds bytes; the last chunk may be counted as a whole one."""
        self._done += count
        self._progress(min(self._done, self.total) if self.total else self._done, self.total or None)

    def reset(self) -> None:
        """Begins again, if the bytes in all are known: pooch then adds them at once."""
        self._done = 0 if self.total else self._done

    def close(self) -> None:
        """Does nothing."""
