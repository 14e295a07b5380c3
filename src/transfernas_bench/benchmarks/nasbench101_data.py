"""Converts an official file of NAS-Bench-101, given or downloaded, to a compact file of arrays in the cache."""

import io
import json
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import NamedTuple
from urllib.parse import urlsplit

import numpy as np

from transfernas.files import write_atomically
from transfernas.processes.runtime import cache_dir

from ..download import DownloadError, download, file_sha256
from .cell_table import load_cells
from .nasbench101_records import read_records

URL = "https://storage.googleapis.com/nasbench/nasbench_only108.tfrecord"
OFFICIAL_SHA256 = {
    "nasbench_only108.tfrecord": "4c39c3936e36a85269881d659e44e61a245babcb72cb374eacacf75d0e5f4fd1",
    "nasbench_full.tfrecord": "3d64db8180fb1b0207212f9032205064312b6907a3bbc81eabea10db2f5c7e9c",
}
"""Checksums from the README of google-research/nasbench."""
DataStageFn = Callable[[str, int, int | None], None]
"""Function that receives the name of the stage, the bytes done, and the total bytes, which are None if unknown."""


def data_folder() -> Path:
    """Returns the default folder of the compact file."""
    return cache_dir() / "nasbench101"


def compact_file(folder: Path | None = None) -> Path:
    """Returns the path of the compact file in a folder, by default `data_folder()`; the file may not exist yet."""
    return (data_folder() if folder is None else folder) / "nasbench101.npz"


def nasbench101_data(
    source: Path | None = None,
    url: str = URL,
    folder: Path | None = None,
    progress: DataStageFn | None = None,
    *,
    trusted: bool = False,
) -> Path:
    """Returns the path of the compact file; a missing compact file is made from an official file or the network.

    Args:
        source: An official file, or a compact file (`.npz`), which is checked; None to download an official file.
        url: Address of the download if there is no source.
        folder: Folder of the compact file, by default `data_folder()`.
        progress: Function that receives the progress of each stage.
        trusted: Whether to accept a file other than the two official files.

    Raises:
        DownloadError: The download failed.
        ValueError: The file is not official, is damaged, or has other content.
        OSError: A file cannot be read or written.
    """
    if source is not None and source.suffix == ".npz":
        load_cells(source)
        return source
    folder = data_folder() if folder is None else folder
    if source is not None:
        return compact(source, folder, progress, trusted=trusted)
    if (made := _Provenance.read(folder)) is not None and (trusted or made.official):
        return compact_file(folder)
    name = Path(urlsplit(url).path).name or "download"
    downloaded = folder / f"{name}.downloaded"  # for any url, the suffix differs from the names of the compact files
    tell = None if progress is None else partial(progress, "download")
    try:
        download(url, downloaded, None if trusted else OFFICIAL_SHA256.get(name), tell)
    except DownloadError as error:
        raise DownloadError(f"{error}. Or download it with a browser and give the file by --from FILE") from None
    result = compact(downloaded, folder, progress, trusted=trusted)
    downloaded.unlink()  # some 500 MB, of which the compact file has the useful part
    return result


def compact(source: Path, folder: Path, progress: DataStageFn | None = None, *, trusted: bool = False) -> Path:
    """Converts an official file to `nasbench101.npz`; a second call for the same file returns at once.

    `nasbench101.json` in the same folder identifies the official file.

    Args:
        source: `nasbench_only108.tfrecord` or `nasbench_full.tfrecord`.
        folder: Folder of the compact file, created if missing.
        progress: Function that receives the progress of each stage.
        trusted: Whether to accept a file other than the two official files.

    Returns:
        Path of the compact file.

    Raises:
        ValueError: The file is not official, is damaged, or has other content.
        OSError: A file cannot be read or written.
    """
    made, status = _Provenance.read(folder), source.stat()
    same = made is not None and (made.bytes, made.modified_ns) == (status.st_size, status.st_mtime_ns)
    if made is not None and same and (trusted or made.official):
        return compact_file(folder)
    digest = file_sha256(source, None if progress is None else partial(progress, "check"))
    now = _Provenance(digest, status.st_size, status.st_mtime_ns)
    if not (trusted or now.official):
        raise ValueError(
            f"{source} has the SHA-256 {digest}; the official files have "
            + " and ".join(f"{sha256} ({name})" for name, sha256 in OFFICIAL_SHA256.items())
            + ". Download it again; or, if you know what it is, give --any-checksum (from Python: trusted=True)"
        )
    if made is None or made.sha256 != digest:
        arrays = read_records(source, None if progress is None else partial(progress, "convert"))
        _about_file(folder).unlink(missing_ok=True)  # without this file, an old compact file does not count
        arrays["verified"] = np.full(len(arrays["hash"]), now.official)
        content = io.BytesIO()
        np.savez_compressed(content, **arrays)  # type: ignore[arg-type]  # no array is named `allow_pickle`
        write_atomically(compact_file(folder), content.getvalue())
    write_atomically(_about_file(folder), json.dumps(now._asdict(), indent=2).encode())
    return compact_file(folder)


class _Provenance(NamedTuple):
    """The official file that a compact file was made from."""

    sha256: str
    bytes: int
    modified_ns: int

    @classmethod
    def read(cls, folder: Path) -> "_Provenance | None":
        """Returns the official file of a folder's compact file; None if there is no compact file."""
        try:
            made = cls(**json.loads(_about_file(folder).read_text(encoding="utf8")))
        except (OSError, ValueError, TypeError):
            return None
        return made if compact_file(folder).is_file() else None

    @property
    def official(self) -> bool:
        return self.sha256 in OFFICIAL_SHA256.values()


def _about_file(folder: Path) -> Path:
    return folder / "nasbench101.json"
