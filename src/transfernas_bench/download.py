"""Downloads large files, with a check of the content, whole or not at all."""

import hashlib
import logging
from collections.abc import Callable
from pathlib import Path

from transfernas.extras import needed

ProgressFn = Callable[[int, int | None], None]
"""Function that receives the bytes done and the total bytes; the total is None if unknown."""
_CHUNK_BYTES = 1 << 18


class DownloadError(OSError):
    """The error of a download that failed."""


def download(
    url: str, path: Path, sha256: str | None, progress: ProgressFn | None = None, *, timeout_seconds: float = 60.0
) -> None:
    """Downloads a file; the part of an interrupted download is removed.

    Args:
        url: Address that begins with https:// or http://.
        path: Path of the file. An existing file with the digest is kept; another existing file is replaced.
        sha256: Digest that the file must have; None for any.
        progress: Function that receives the bytes done and the total bytes.
        timeout_seconds: Longest wait for an answer of the server.

    Raises:
        DownloadError: The url is not a web address, the server refuses or does not answer, the connection breaks, or
            the digest is wrong.
        OSError: The file cannot be written.
        ModuleNotFoundError: The extra `bench` is not installed.
    """
    if not url.startswith(("https://", "http://")):
        raise DownloadError(f"{url!r} is not an address for a download; an address begins with https:// or http://")
    with needed("bench", "a download"):
        import pooch
        from requests import HTTPError, RequestException
    pooch.get_logger().setLevel(logging.WARNING)
    bar = False if progress is None else _Bar(progress)
    path.parent.mkdir(parents=True, exist_ok=True)
    # pooch keeps an existing file if no digest is given, so the new file gets another name first.
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
    except ValueError as error:  # a wrong digest or address
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
    """Adapter from a progress function to pooch's interface of a progress bar."""

    def __init__(self, progress: ProgressFn) -> None:
        self._progress, self._done, self.total = progress, 0, 0

    def update(self, count: int) -> None:
        """Adds bytes; pooch may count the last chunk as a whole chunk."""
        self._done += count
        self._progress(min(self._done, self.total) if self.total else self._done, self.total or None)

    def reset(self) -> None:
        """Resets the bytes done if the total is known, because pooch then adds the total at once."""
        self._done = 0 if self.total else self._done

    def close(self) -> None:
        """Does nothing."""
