"""Damaged and crafted files: the same seed gives the same mutations."""

import copy
import dataclasses
import functools
import hashlib
import io
import itertools
import json
import math
import re
import resource
import sys
import tempfile
import time
import zipfile
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from agents import fast_transferred_and_played, lstm_transferred, with_open_trials
from nasbench101_table import few_arrays
from searchers import FAST as SMALL
from strategies import unchecked
from transfernas import Agent, CheckpointError
from transfernas.checkpoint.processed_trials import ProcessedTrials
from transfernas.define_by_run.declared import DeclaredSearch, Domains, domains_to_json, read_search
from transfernas.define_by_run.search import DefineByRunSearch
from transfernas.learning.scores import Score
from transfernas.spaces.domain import CategoricalDomain, NumericDomain
from transfernas_bench.benchmarks.cell_table import load_cells
from transfernas_bench.experiments.trace import Trace, TraceRecorder

ODD: tuple[Any, ...] = (
    *(None, True, False, 0, 1, -1, 2, 7, 1 << 20, (1 << 31) - 1, 1 << 31, 1 << 53, 1 << 62, 1 << 63, 10**30, 10**400),
    *(0.0, -0.0, 0.5, 1.5, -1.0, 1e-320, 1e38, 1e308, math.inf, -math.inf, math.nan),
    *("", "x", "<S>", "kind", "x" * 300, "\ud800", "\0", [], {}, [[]], [None], {"x": 1}, [1, 2, 3], "nan", "1e9"),
)
DTYPES = {
    **{"F64": 8, "F32": 4, "F16": 2, "BF16": 2, "F8_E4M3": 1, "F8_E5M2": 1, "I64": 8, "I32": 4, "I16": 2, "I8": 1},
    **{"U64": 8, "U32": 4, "U16": 2, "U8": 1, "BOOL": 1, "C64": 8, "F4": 1, "F8_E8M0": 1},
}
NUMPY = {
    **{"F64": "<f8", "F32": "<f4", "I32": "<i4", "I64": "<i8", "BOOL": "?"},
    **{"U8": "u1", "I8": "i1", "U16": "<u2", "I16": "<i2"},
}
NAMES = {name: np.dtype(kind).name for name, kind in NUMPY.items()}


class Entry(NamedTuple):
    """A tensor as its file has it, whatever it is worth."""

    dtype: Any
    shape: Any
    data: bytes


class Parts(NamedTuple):
    """An agent's file in parts."""

    metadata: dict[str, Any]
    header: Any
    tensors: dict[str, Entry]


def take_apart(content: bytes) -> Parts:
    size = int.from_bytes(content[:8], "little")
    table = json.loads(content[8 : 8 + size])
    metadata, body = table.pop("__metadata__"), content[8 + size :]
    tensors = {
        name: Entry(entry["dtype"], entry["shape"], body[slice(*entry["data_offsets"])])
        for name, entry in table.items()
    }
    return Parts(metadata, json.loads(metadata["agent"]), tensors)


def put_together(parts: Parts) -> bytes:
    """Writes a file whose checksum is right, so that nothing but the rest can be wrong."""
    text = json.dumps(parts.header) if not isinstance(parts.header, str) else parts.header
    metadata, table, at = {**parts.metadata, "agent": text}, dict[str, Any](), 0
    for name, entry in parts.tensors.items():
        table[name] = {"dtype": entry.dtype, "shape": entry.shape, "data_offsets": [at, at + len(entry.data)]}
        at += len(entry.data)
    if "sha256" in metadata:
        metadata["sha256"] = checksum(metadata, parts.tensors)
    head = json.dumps({"__metadata__": metadata, **table}).encode()
    head += b" " * (-len(head) % 8)
    return len(head).to_bytes(8, "little") + head + b"".join(entry.data for entry in parts.tensors.values())


def checksum(metadata: dict[str, Any], tensors: dict[str, Entry]) -> str:
    digest = hashlib.sha256(f"{metadata.get('version')}\n{metadata['agent']}".encode("utf8", "surrogatepass"))
    for name in sorted(tensors):
        dtype, shape, data = tensors[name]
        about = f"{name} {NAMES.get(dtype, dtype)} {tuple(shape)}"
        digest.update(about.encode("utf8", "surrogatepass") + data)
    return digest.hexdigest()


def places(value: Any) -> list[tuple[Any, Any]]:
    """Every place inside of a JSON value: what holds it, and where."""
    if isinstance(value, dict):
        return [(value, key) for key in value] + [place for inner in value.values() for place in places(inner)]
    if isinstance(value, list):
        return [(value, at) for at in range(len(value))] + [place for inner in value for place in places(inner)]
    return []


def change_json(value: Any, rng: np.random.Generator) -> None:
    """Changes one place of a JSON value; each depth is as likely, so that the many names at the bottom are not all."""
    found = places(value)
    if not found:  # an earlier change left nothing inside
        return
    holder, key = found[int(len(found) * rng.random() ** 3)]
    match rng.integers(6):
        case 0:
            del holder[key]
        case 1 if isinstance(holder, list):
            holder.insert(key, copy.deepcopy(holder[rng.integers(len(holder))]))
        case 2 if isinstance(holder, dict):
            holder[str(key) + "x"] = holder.pop(key)
        case 3 if isinstance(holder[key], (int, float)) and not isinstance(holder[key], bool):
            holder[key] = [holder[key] + 1, -holder[key], holder[key] * 2, holder[key] * 1000][rng.integers(4)]
        case _:
            holder[key] = copy.deepcopy(ODD[rng.integers(len(ODD))])


def change_tensor(tensors: dict[str, Entry], rng: np.random.Generator) -> None:
    """Changes one tensor: its values, type, shape, name or place."""
    name = list(tensors)[rng.integers(len(tensors))]
    entry = tensors[name]
    match rng.integers(7):
        case 0:
            del tensors[name]
        case 1:
            tensors[["x", "", "replay.reward", "bandit.count", "\ud800"][rng.integers(5)]] = entry
        case 2:
            tensors[name] = entry._replace(dtype=list(DTYPES)[rng.integers(len(DTYPES))])
        case 3:
            dtype = list(DTYPES)[rng.integers(len(DTYPES))]
            size = DTYPES[dtype] * int(np.prod(entry.shape, dtype=object))
            tensors[name] = Entry(dtype, entry.shape, (entry.data * 9)[:size])
        case 4:
            shapes: list[Any] = [[1] * 1000 + entry.shape, [0, 1 << 62], [1 << 62, 0], entry.shape[::-1], [], [0]]
            shape = [*shapes, [*entry.shape, 1], entry.shape[:-1]][rng.integers(8)]
            size = DTYPES.get(entry.dtype, 1) * int(np.prod(shape, dtype=object)) if shape else DTYPES[entry.dtype]
            tensors[name] = Entry(entry.dtype, shape, entry.data[:size] if size < 1 << 20 else entry.data)
        case 5:
            axis = rng.integers(len(entry.shape) + 1)
            odd = [-1, 0, 1, 1 << 40, 1 << 63, 2.5, None, "x", [1]][rng.integers(9)]
            tensors[name] = entry._replace(shape=[*entry.shape[:axis], odd, *entry.shape[axis + 1 :]])
        case _ if entry.data and entry.dtype in NUMPY:
            values = np.frombuffer(entry.data, NUMPY[entry.dtype]).copy()
            if values.dtype == bool:
                odd_byte = bytes([int(rng.integers(256))])
                tensors[name] = entry._replace(data=odd_byte + entry.data[1:])
                return
            limits: list[Any] = [0, -1, 1, 99, 2**31 - 1, -(2**31)]
            if values.dtype.kind == "f":
                limits += [1e30, -1e38, math.inf, math.nan]
            with np.errstate(over="ignore"):
                where = rng.integers(len(values)) if rng.random() < 0.7 else slice(None)
                values[where] = np.array(limits[rng.integers(len(limits))]).astype(values.dtype)
            tensors[name] = entry._replace(data=values.tobytes())


def change_bytes(content: bytes, rng: np.random.Generator) -> bytes:
    """Damages a file as disks, networks and people do."""
    at = int(len(content) * rng.random() ** [1, 4][rng.integers(2)])
    length = int(rng.integers(1, 64))
    match rng.integers(7):
        case 0:
            return content[:at]
        case 1:
            return content[:at] + content[at + length :]
        case 2:
            return content[:at] + rng.bytes(length) + content[at:]
        case 3:
            return content[:at] + bytes(length) + content[at + length :]
        case 4:
            return content[:at] + content[at + length :] + content[at : at + length]
        case _:
            changed = bytearray(content)
            changed[min(at, len(content) - 1)] ^= 1 << int(rng.integers(8))
            return bytes(changed)


def change_version(metadata: dict[str, Any], rng: np.random.Generator) -> None:
    key = ["version", "version", "format", "sha256", "agent"][rng.integers(5)]
    odd = ["", "0", "-1", "1", "2", "3", "5", "9" * 5_000, "٣", "²", "1.5", " 4", "4\0", "\ud800"]
    if rng.random() < 0.2:
        metadata.pop(key, None)
    else:
        metadata[key] = odd[rng.integers(len(odd))]


def agent_mutations(content: bytes, seed: int) -> Iterator[tuple[str, bytes]]:
    """Yields what was changed, and the changed file, without end: mutation n is the same whatever was before."""
    whole, number = take_apart(content), 0
    while True:
        rng = np.random.Generator(np.random.Philox([seed, number]))
        number += 1
        parts = Parts(dict(whole.metadata), copy.deepcopy(whole.header), dict(whole.tensors))
        kinds: dict[str, Callable[[], object]] = {
            "header": lambda parts=parts, rng=rng: change_json(parts.header, rng),  # type: ignore[misc]
            "config": lambda parts=parts, rng=rng: change_json(parts.header["config"], rng),  # type: ignore[misc]
            "notes": lambda parts=parts, rng=rng: change_json(parts.header.get("notes") or parts.header, rng),  # type: ignore[misc]
            "tensor": lambda parts=parts, rng=rng: change_tensor(parts.tensors, rng),  # type: ignore[misc]
            "version": lambda parts=parts, rng=rng: change_version(parts.metadata, rng),  # type: ignore[misc]
        }
        kind = [*kinds, "bytes"][int(rng.choice(6, p=[0.4, 0.1, 0.1, 0.25, 0.05, 0.1]))]
        if kind == "bytes":
            yield kind, change_bytes(content, rng)
            continue
        for _ in range(int(rng.integers(1, 3))):
            kinds[kind]()
        yield kind, put_together(parts)


def change_member(content: bytes, rng: np.random.Generator) -> bytes:
    """Writes an archive anew with one of its arrays changed; its checksum is right."""
    changed = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(content)) as archive, zipfile.ZipFile(changed, "w") as target:
        names = archive.namelist()
        chosen = names[rng.integers(len(names))]
        for name in names:
            data, method = archive.read(name), zipfile.ZIP_DEFLATED
            if name == chosen:
                size = int.from_bytes(data[8:10], "little")
                head, body = data[10 : 10 + size].decode("latin1"), data[10 + size :]
                match rng.integers(4):
                    case 0:
                        data = change_bytes(data, rng)
                    case 1:
                        method = [zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA, zipfile.ZIP_STORED][rng.integers(3)]
                    case 2:
                        odd = [
                            "(",
                            "(4,)" * 50,
                            "(-4,)",
                            "(1 << 62,)",
                            "(999999999999, 7, 7)",
                            "None",
                            "(True,)",
                            "4",
                            "[4]",
                        ]
                        head = re.sub(r"\(.*\)", odd[rng.integers(len(odd))], head)
                        data = data[:8] + len(head).to_bytes(2, "little") + head.encode("latin1") + body
                    case _:
                        words = [
                            "'O'",
                            "'|V9'",
                            "'<m8[s]'",
                            "[('a', 'i4')]",
                            "'S99999999999'",
                            "'f16'",
                            "7",
                            "None",
                        ]
                        head = re.sub(r"'descr': '[^']*'", "'descr': " + words[rng.integers(len(words))], head)
                        data = data[:8] + len(head).to_bytes(2, "little") + head.encode("latin1") + body
            target.writestr(name, data, method)
    return changed.getvalue()


def npz_mutations(content: bytes, seed: int) -> Iterator[tuple[str, bytes]]:
    """Yields changed archives of arrays without end: damaged ones, and whole ones whose arrays are others."""
    with np.load(io.BytesIO(content), allow_pickle=False) as file:
        whole, number = {name: file[name] for name in file.files}, 0
    while True:
        rng = np.random.Generator(np.random.Philox([seed, number]))
        number += 1
        if rng.random() < 0.7:
            yield (
                ("bytes", change_bytes(content, rng))
                if rng.random() < 0.5
                else ("proposer", change_member(content, rng))
            )
            continue
        arrays, name = dict(whole), list(whole)[rng.integers(len(whole))]
        array = np.atleast_1d(arrays[name])
        match rng.integers(7):
            case 0:
                del arrays[name]
            case 1:
                arrays[name] = np.zeros(array.shape, [object, "U8", "f8", "i8", "?", "c16", "u1"][rng.integers(7)])
            case 2:
                shapes = [array[..., None], array[:0], array[:1], array.T, np.repeat(array.reshape(-1), 3)]
                arrays[name] = shapes[rng.integers(5)]
            case 3:
                arrays[f"{name}x"] = arrays.pop(name)
            case _ if array.size:
                arrays[name] = array.copy()
                raw = arrays[name].reshape(-1).view(np.uint8)
                raw[rng.integers(len(raw))] = rng.integers(256)
        changed = io.BytesIO()
        np.savez_compressed(changed, **arrays)
        yield "arrays", changed.getvalue()


def try_agent(path: Path) -> str:
    """Loads an agent's file; one that loads must ask and be told, whatever it holds.

    Returns:
        "refused", or "works".
    """
    try:
        agent = Agent.load(path)
    except CheckpointError:
        return "refused"
    trials = [*agent.open_trials[:2], agent.ask()]
    for trial in trials:
        agent.tell(trial, 1.5)
    agent.tell(agent.ask(), -1.0)
    for problem in agent.problems:
        agent.best(problem)
    assert agent.provenance is not None and str(agent.transfer_report)
    return "works"


def new_search() -> DeclaredSearch:
    """A search of numbers and categories, as Ray's has it."""
    domains: Domains = {
        "rate": NumericDomain(1e-4, 1.0, log=True),
        "units": NumericDomain(8, 64, integer=True),
        "kind": CategoricalDomain(tuple("abc")),
    }
    return DeclaredSearch(DefineByRunSearch("space", "task", SMALL), domains)


def saved_search(path: Path) -> None:
    """Writes the file of a search with open trials."""
    search = new_search()
    for number in range(6):
        values = search.suggest(str(number))
        if number < 5:
            search.tell(str(number), float(values["units"]) if number != 2 else None)  # type: ignore[arg-type]
    search.save(path, ProcessedTrials({"study": (2, [5], "")}), {"seed": 0})


def try_search(path: Path) -> str:
    """The same for the file of a search of known parameters."""
    try:
        saved = read_search(path)
        search = new_search()
        if domains_to_json(search.domains) != saved.notes["domains"]:
            return "refused"  # by who calls it
        search.restore(saved)
    except CheckpointError:
        return "refused"
    search.tell("5", Score.of(1.0))
    search.tell("6", Score.of(2.0) if search.suggest("6") else None)
    assert search.agent.provenance
    return "works"


def try_record(path: Path) -> str:
    """The same for a search's record; one that is read must be the one that was written."""
    try:
        found = Trace.read(path)
    except CheckpointError:
        return "refused"
    for name, value in dataclasses.asdict(some_record()).items():
        np.testing.assert_array_equal(value, getattr(found, name))
    return "works"


@functools.cache
def some_record() -> Trace:
    rng = np.random.default_rng(0)
    recorder = TraceRecorder(2, rng)
    for _ in range(20):
        rows = rng.integers(2, size=3).astype(np.int32), rng.integers(4, size=(3, 5)).astype(np.int32)
        recorder.add(*rows, rng.random(3), rng.random(3))
    return recorder.trace()


def try_table(path: Path) -> str:
    """The same for a table of NAS-Bench-101: what is read must be the cells of that table."""
    try:
        cells = load_cells(path)
    except ValueError as error:
        assert f"{path} is not a table of NAS-Bench-101" in str(error)
        return "refused"
    rows = cells.rows(cells.adjacency, cells.ops)
    np.testing.assert_array_equal(rows, np.arange(len(cells.test)))
    return "works"


def saved_table(path: Path) -> None:
    with path.open("wb") as file:
        np.savez_compressed(file, **few_arrays())  # type: ignore[arg-type]


class Kind(NamedTuple):
    """A kind of file: how one is written, how it is changed, and how a changed one is tried."""

    write: Callable[[Path], object]
    mutations: Callable[[bytes, int], Iterator[tuple[str, bytes]]]
    try_: Callable[[Path], str]


KINDS = {
    "fast": Kind(lambda path: fast_transferred_and_played().save(path), agent_mutations, try_agent),
    "paper": Kind(lambda path: with_open_trials().save(path), agent_mutations, try_agent),
    "lstm": Kind(lambda path: lstm_transferred().save(path), agent_mutations, try_agent),
    "search": Kind(saved_search, agent_mutations, try_search),
    "record": Kind(lambda path: some_record().write(path), npz_mutations, try_record),
    "table": Kind(saved_table, npz_mutations, try_table),
}


def outcomes(kind: str, count: int, seed: int, folder: Path) -> Iterator[str | Exception]:
    """Yields what became of so many mutations of a kind of file; errors are those that nobody promised."""
    path = folder / "file"
    KINDS[kind].write(path)
    mutations = KINDS[kind].mutations(path.read_bytes(), seed)
    with unchecked():
        for number, (what, content) in enumerate(itertools.islice(mutations, count)):
            path.write_bytes(content)
            try:
                yield KINDS[kind].try_(path)
            except Exception as error:
                error.add_note(f"mutation {number} of {kind} with seed {seed}, of its {what}")
                yield error


def main(kind: str, count: int, seed: int) -> None:
    """Prints how often each outcome came, and the errors."""
    found = Counter[str]()
    with tempfile.TemporaryDirectory() as folder:
        for outcome in outcomes(kind, count, seed, Path(folder)):
            if isinstance(outcome, Exception):
                found["errors"] += 1
                print(f"{type(outcome).__name__}: {outcome}"[:200], *outcome.__notes__)
            else:
                found[outcome] += 1
    memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss >> 10
    print(f"{kind}, seed {seed}: {dict(found)}; at most {memory} MiB, {time.process_time():.0f} CPU s")


if __name__ == "__main__":  # python tests/fuzzing.py KIND COUNT SEED
    main(sys.argv[1], int(sys.argv[2]), int(sys.argv[3]))
