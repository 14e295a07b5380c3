"""From an official file or the network to the compact file, from Python and from the command line."""

import hashlib
import json
import os
import threading
from collections.abc import Iterator
from dataclasses import replace
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

from nasbench101_files import CONV1X1, CONV3X3, Run, runs_file
from transfernas_bench.benchmarks import nasbench101_data as data
from transfernas_bench.benchmarks.cell_table import load_cells
from transfernas_bench.benchmarks.nasbench101_data import compact, nasbench101_data
from transfernas_bench.cli import data as cli_data
from transfernas_bench.download import DownloadError

CONTENT = runs_file([replace(Run(), hash=digit * 32) for digit in "abc" for _ in range(3)])
NAME = "nasbench_only108.tfrecord"


@pytest.fixture
def source(tmp_path: Path) -> Path:
    path = tmp_path / NAME
    path.write_bytes(CONTENT)
    return path


@pytest.fixture
def official(monkeypatch: pytest.MonkeyPatch) -> None:
    """The small file passes for the official one."""
    monkeypatch.setitem(data.OFFICIAL_SHA256, NAME, hashlib.sha256(CONTENT).hexdigest())


@pytest.fixture
def server(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """Serves the file; yields the address of the folder."""
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    folder = tmp_path / "served"
    folder.mkdir()
    (folder / NAME).write_bytes(CONTENT)
    monkeypatch.setattr(SimpleHTTPRequestHandler, "log_message", lambda *_: None)
    with ThreadingHTTPServer(("127.0.0.1", 0), partial(SimpleHTTPRequestHandler, directory=str(folder))) as running:
        thread = threading.Thread(target=running.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield f"http://127.0.0.1:{running.server_address[1]}"
        running.shutdown()
        thread.join()


def check_arrays(path: Path) -> None:
    with np.load(path) as arrays:
        assert arrays["hash"].tolist() == [digit.encode() * 32 for digit in "abc"]
        np.testing.assert_array_equal(arrays["val_acc"], np.full((3, 3), 0.9, np.float32))


def test_an_official_file_is_converted_once(
    source: Path, tmp_path: Path, official: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder, stages = tmp_path / "a" / "cache", list[str]()
    made = compact(source, folder, lambda name, done, total: stages.append(name))
    check_arrays(made)
    assert list(dict.fromkeys(stages)) == ["check", "convert"]
    about = json.loads((folder / "nasbench101.json").read_text())
    assert (about["sha256"], about["bytes"]) == (hashlib.sha256(CONTENT).hexdigest(), len(CONTENT))
    assert sorted(path.name for path in folder.iterdir()) == ["nasbench101.json", "nasbench101.npz"]

    monkeypatch.setattr(data, "read_records", None)  # it is not read again
    os.utime(source, (0, 0))  # touched: the digest tells that it is the same
    assert compact(source, folder) == made
    monkeypatch.setattr(data, "file_sha256", None)
    assert compact(source, folder) == made
    assert nasbench101_data(folder=folder, url="http://127.0.0.1:1/") == made


def test_a_file_with_another_digest(source: Path, tmp_path: Path) -> None:
    folder, digests = tmp_path / "cache", [hashlib.sha256(CONTENT).hexdigest(), *data.OFFICIAL_SHA256.values()]
    for _ in range(2):
        with pytest.raises(ValueError, match=".*".join(digests) + ".*--any-checksum"):
            compact(source, folder)
        check_arrays(compact(source, folder, trusted=True))  # which makes it no official one

    other = runs_file([replace(Run(), validation=0.5) for _ in range(9)])
    source.write_bytes(other)
    with pytest.raises(ValueError, match="which has 3 already"):
        compact(source, folder, trusted=True)
    check_arrays(folder / "nasbench101.npz")
    source.write_bytes(runs_file([replace(Run(), validation=0.5) for _ in range(3)]))
    with np.load(compact(source, folder, trusted=True)) as arrays:
        assert np.all(arrays["val_acc"] == 0.5) and not arrays["verified"].any()


def test_an_interrupt_between_the_two_files_leaves_no_wrong_pair(
    source: Path, tmp_path: Path, official: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "cache"
    with monkeypatch.context() as patched:
        patched.setattr(data._Provenance, "_asdict", lambda self: (_ for _ in ()).throw(KeyboardInterrupt))
        with pytest.raises(KeyboardInterrupt):
            compact(source, folder)
    assert [path.name for path in folder.iterdir()] == ["nasbench101.npz"]
    check_arrays(compact(source, folder))


def test_it_is_downloaded_converted_and_removed(server: str, tmp_path: Path, official: None) -> None:
    folder = tmp_path / "cache"
    made = nasbench101_data(url=f"{server}/{NAME}", folder=folder)
    check_arrays(made)
    assert sorted(path.name for path in folder.iterdir()) == ["nasbench101.json", "nasbench101.npz"]


def test_another_file_of_the_official_name_is_not_kept(server: str, tmp_path: Path) -> None:
    folder = tmp_path / "cache"
    with pytest.raises(DownloadError, match=f"expected {data.OFFICIAL_SHA256[NAME]} but got .* by --from FILE"):
        nasbench101_data(url=f"{server}/{NAME}", folder=folder)
    assert not list(folder.iterdir())
    check_arrays(nasbench101_data(url=f"{server}/{NAME}", folder=folder, trusted=True))
    with pytest.raises(DownloadError):  # what was taken on trust is not official later on
        nasbench101_data(url=f"{server}/{NAME}", folder=folder)


def test_a_download_may_have_the_compact_file_s_name(server: str, tmp_path: Path) -> None:
    (tmp_path / "served" / NAME).rename(tmp_path / "served" / "nasbench101.npz")
    check_arrays(nasbench101_data(url=f"{server}/nasbench101.npz", folder=tmp_path / "cache", trusted=True))


def test_a_compact_file_is_checked_and_used_where_it_is(source: Path, tmp_path: Path) -> None:
    cells = (
        Run("b49ac8c578b4561d79ac7087988f1c61", operations=("input", CONV3X3, "output")),
        Run("d1269d9156ddc027c40473008192958a", operations=("input", CONV1X1, "output")),
        Run("043721b9c7fe8c5fad811d47d83132ec", "0100", ("input", "output")),
    )
    source.write_bytes(runs_file([replace(run, test=test) for run in cells for test in (0.25, 0.5, 0.75)]))
    path = compact(source, tmp_path / "cache", trusted=True).rename(tmp_path / "mine.npz")
    assert nasbench101_data(path, folder=tmp_path / "other") == path
    assert not (tmp_path / "other").exists()
    table = load_cells(path)
    assert table.ops[:, :3].tolist() == [[1, 5, 0], [1, 2, 5], [1, 3, 5]]
    np.testing.assert_array_equal(table.test, [0.5] * 3)

    with np.load(path) as file:
        arrays = {name: file[name] for name in file.files}
    np.savez(path, **arrays | {"ops": arrays["ops"][::-1]})
    with pytest.raises(ValueError, match="mine.npz is not a table of NAS-Bench-101"):
        nasbench101_data(path)


class TestCommand:
    @pytest.fixture(autouse=True)
    def cache(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
        monkeypatch.setenv("TRANSFERNAS_CACHE", str(tmp_path / "cache"))
        return tmp_path / "cache" / "nasbench101"

    def run(self, *arguments: str) -> tuple[int, str]:
        result = CliRunner().invoke(cli_data.app, ["nasbench101", *arguments])
        assert result.exception is None or isinstance(result.exception, SystemExit)
        return result.exit_code, result.output

    def test_from_a_file(self, source: Path, cache: Path, official: None) -> None:
        code, output = self.run("--from", str(source))
        assert code == 0
        assert f"NAS-Bench-101 is in {cache / 'nasbench101.npz'}" in output
        check_arrays(cache / "nasbench101.npz")

    def test_any_checksum(self, source: Path) -> None:
        code, output = self.run("--from", str(source))
        assert code == 1
        assert f"Error: {source} has the SHA-256" in output
        assert self.run("--from", str(source), "--any-checksum")[0] == 0

    def test_a_download(self, server: str, cache: Path, official: None) -> None:
        assert self.run("--url", f"{server}/{NAME}")[0] == 0
        check_arrays(cache / "nasbench101.npz")

    def test_a_download_that_fails(self, server: str, official: None) -> None:
        code, output = self.run("--url", f"{server}/none")
        assert code == 1
        assert f"Error: {server}/none: the server answered 404" in output
        assert "by --from FILE" in output

    def test_a_missing_file(self, tmp_path: Path) -> None:
        code, output = self.run("--from", str(tmp_path / "none"))
        assert code == 2
        assert "does not exist" in output

    def test_an_interrupt(self, source: Path, official: None, monkeypatch: pytest.MonkeyPatch) -> None:
        def interrupt(*_: object) -> None:
            raise KeyboardInterrupt

        monkeypatch.setattr(data, "read_records", interrupt)
        code, output = self.run("--from", str(source))
        assert code == 130
        assert "Interrupted: the same command begins the download anew." in output

    def test_the_url_is_the_official_one(self) -> None:
        assert cli_data._OFFICIAL_URL == data.URL
        assert data.URL.endswith(f"/{NAME}")
