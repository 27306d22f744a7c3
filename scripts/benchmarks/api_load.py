"""How fast the API answers: mixed reads at a fixed rate over loopback, from one process to another.

Requests are due at fixed times, whether or not earlier ones are answered, and latency counts from when one was due: a
server that stalls is not asked less (no coordinated omission). While it is asked, the server's indexer follows the
market, where things happen to some of the jobs in every block.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import random
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections import defaultdict
from pathlib import Path
from typing import Any

from market.indexer.database import open_index
from market.indexer.indexer import Indexer
from market.indexer.queries import Reader
from scripts.benchmarks.process import Figures
from scripts.benchmarks.synthetic_market import Player, play
from scripts.benchmarks.synthetic_node import Node

_CONNECTIONS = 32
_WARM_SECONDS = 5.0
"""At first nothing was ever asked: no connections, no compiled statements, no answers. Told as ``cold``."""
_START_SECONDS = 60.0
_OK = b"200"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the benchmark's options."""
    parser.add_argument("--rate", type=int, default=200, help="requests a second (200)")
    parser.add_argument("--seconds", type=int, default=20, help="how long (20)")
    parser.add_argument("--events", type=int, default=20_000, help="events of the market that is read (20,000)")
    parser.add_argument("--jobs", type=int, default=200, help="its jobs (200)")
    parser.add_argument("--database", default="", help="URL of an empty database; default: SQLite in a new file")
    parser.add_argument("--block-seconds", type=float, default=12.0, help="when more happens (12)")
    parser.add_argument("--steps", type=int, default=20, help="jobs that something happens to then (20)")
    parser.add_argument("--threads", type=int, default=0, help="cores to use (0: all)")
    parser.add_argument("--json", action="store_true", help="answer with one JSON object")


def run(asked: argparse.Namespace) -> Figures:
    """Make a market, index it, serve it in a process of its own, and ask."""
    with tempfile.TemporaryDirectory() as folder:
        database = asked.database or f"sqlite:///{Path(folder) / 'index.db'}"
        told = {"database": database, **{name: getattr(asked, name) for name in _OF_SERVER}}
        command = [sys.executable, "-m", "scripts.benchmarks.api_load", "serve", json.dumps(told)]
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as server:
            try:
                port = int(server.stdout.readline()) if server.stdout else 0
                engine = open_index(database)
                paths = _paths(Reader(engine))
                engine.dispose()
                return asyncio.run(_load(port, paths, asked.rate, asked.seconds))
            finally:
                server.terminate()


_OF_SERVER = ("events", "jobs", "block_seconds", "steps")


def serve(asked: dict[str, Any]) -> None:
    """Make a market, and serve its index on a free port, which is printed; the market and its index go on."""
    import socket

    import uvicorn

    from market.api.app import Parts, create_app
    from market.api.connections import Connection
    from market.api.server import SWITCH_SECONDS
    from market.api.settings import Settings

    sys.setswitchinterval(SWITCH_SECONDS)
    node = Node()
    player = play(node, events=asked["events"], jobs=asked["jobs"], of=2 * asked["events"])
    engine = open_index(asked["database"])
    indexer = Indexer(engine, node.client())
    indexer.catch_up()
    following = threading.Thread(target=_follow, args=(player, indexer, asked["block_seconds"], asked["steps"]))
    following.daemon = True
    following.start()
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
        app = create_app(Settings(), Parts(Reader(engine), engine), lambda: print(port, flush=True))
        config = uvicorn.Config(app, http=Connection, log_config=None, access_log=False)
        uvicorn.Server(config).run(sockets=[listener])


def _follow(player: Player, indexer: Indexer, seconds: float, steps: int) -> None:
    """Let something happen to some jobs in every block, and index it."""
    while True:
        time.sleep(seconds)
        for job_id in player.rng.sample(player.open_jobs, min(steps, len(player.open_jobs))):
            player.step(job_id)
        indexer.catch_up()


def _paths(reader: Reader) -> list[tuple[str, str]]:
    """Return kinds and paths of reads, as pages ask for them; seeded."""
    choose = random.Random(1)  # noqa: S311 - which pages are read
    (market,) = reader.markets()
    root = f"/api/v1/markets/{market.chain_id}/{market.address}"
    found = [("markets", "/api/v1/markets")] * 10
    found += [("jobs", f"/api/v1/jobs?sort={sort}&limit=50") for sort in ("newest", "deadline", "budget")] * 5
    jobs = reader.jobs(limit=200).items
    for job in choose.sample(jobs, min(40, len(jobs))):
        path = f"{root}/jobs/{job.job_id}"
        found += [
            (name or "job", f"{path}{name and '/' + name}") for name in ("", "rounds", "trainers", "contributions")
        ]
        found.append(("events", f"{path}/events"))
        for one in reader.rounds(market.chain_id, market.address, job.job_id).items[:3]:
            found.append(("round", f"{path}/rounds/{one.number}"))
            if one.paid is not None:
                found += [(name, f"{path}/rounds/{one.number}/{name}") for name in ("evidence", "similarity")]
        for trainer in reader.trainers(market.chain_id, market.address, job.job_id).items[:1]:
            found += [("account", f"{root}/accounts/{trainer.address}{tail}") for tail in ("", "/jobs")]
    choose.shuffle(found)
    return found


async def _load(port: int, paths: list[tuple[str, str]], rate: int, seconds: int) -> Figures:
    """Ask at a rate over kept connections; return latencies in milliseconds."""
    due: asyncio.Queue[tuple[float, str, str] | None] = asyncio.Queue()
    taken: dict[str, list[float]] = defaultdict(list)
    cold: dict[str, list[float]] = defaultdict(list)
    failed: list[str] = []
    begin = time.perf_counter() + 0.5
    warm = int(rate * _WARM_SECONDS)

    async def worker() -> None:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        while (item := await due.get()) is not None:
            at, kind, path = item
            writer.write(f"GET {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nAccept-Encoding: gzip\r\n\r\n".encode())
            head = await reader.readuntil(b"\r\n\r\n")
            length = next(line for line in head.lower().split(b"\r\n") if line.startswith(b"content-length:"))
            await reader.readexactly(int(length.partition(b":")[2]))
            if head.split(b" ", 2)[1] != _OK:
                failed.append(path)
            else:
                of_kind = taken if at >= begin + _WARM_SECONDS else cold
                of_kind[kind].append(1000 * (time.perf_counter() - at))
        writer.close()

    workers = [asyncio.create_task(worker()) for _ in range(_CONNECTIONS)]
    for number in range(warm + rate * seconds):
        at = begin + number / rate
        await asyncio.sleep(max(0.0, at - time.perf_counter()))
        due.put_nowait((at, *paths[number % len(paths)]))
    for _ in workers:
        due.put_nowait(None)
    await asyncio.gather(*workers)
    every = [one for kind in taken.values() for one in kind]
    return {
        "rate": rate,
        "seconds": seconds,
        "requests": len(every),
        "failed": len(failed),
        "paths": len(set(paths)),
        **_quantiles(every),
        "cold": _quantiles([one for kind in cold.values() for one in kind]),
        "by_kind": {kind: _quantiles(values) for kind, values in sorted(taken.items())},
    }


def _quantiles(values: list[float]) -> dict[str, Any]:
    cut = statistics.quantiles(values, n=100, method="inclusive") if len(values) > 1 else [0.0] * 99
    told = {"p50_ms": cut[49], "p99_ms": cut[98], "max_ms": max(values, default=0.0)}
    return {name: round(value, 2) for name, value in told.items()}


def main(arguments: list[str]) -> None:
    """Run alone: ``serve JSON``, or the benchmark."""
    if arguments[:1] == ["serve"]:
        serve(json.loads(arguments[1]))
        return
    parser = argparse.ArgumentParser(description=__doc__)
    add_arguments(parser)
    json.dump(run(parser.parse_args(arguments)), sys.stdout, indent=1)
    print()


if __name__ == "__main__":
    main(sys.argv[1:])
