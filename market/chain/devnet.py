"""The embedded devnet: the in-memory chain behind JSON-RPC over HTTP, in this process or in one of its own.

For development only: no persistence and no consensus, and anybody who reaches the port can move the clock and the
balances. It holds no keys; clients sign.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
import signal
import socket
import sys
import threading
from collections.abc import AsyncIterator
from pathlib import Path
from types import TracebackType

import uvicorn
from fastapi import FastAPI, Request, Response
from fastapi.middleware.cors import CORSMiddleware
from starlette.concurrency import run_in_threadpool

from market.chain.devnet_chain import EmbeddedChain
from market.chain.devnet_origins import Origins
from market.chain.devnet_rpc import RpcHandler
from market.chain.devnet_types import DEFAULT_CHAIN_ID
from market.chain.process import ChainProcess
from market.errors import ChainUnreachable

DEFAULT_HOST = "127.0.0.1"
DEFAULT_PORT = 8545
MAX_BODY_BYTES = 2 * 1024 * 1024
_STOP_SECONDS = 2
_KEEP_ALIVE_SECONDS = 120
_BACKLOG = 256


class _BodyTooLarge(Exception):
    pass


def create_app(handler: RpcHandler, *, block_time: float | None = None) -> FastAPI:
    """Return the ASGI application: POST / takes JSON-RPC; ``block_time`` mines in the background.

    Pages of this machine and wallets may ask (``devnet_origins``), and clients that are no browser.
    """

    @contextlib.asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        if block_time is None:
            yield
            return
        miner = asyncio.create_task(_mine_forever(handler, block_time))
        yield
        miner.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await miner

    app = FastAPI(title="Gramercy devnet", lifespan=lifespan, openapi_url=None)
    app.add_middleware(
        CORSMiddleware,
        allow_origins=["*"],
        allow_methods=["POST", "OPTIONS"],
        allow_headers=["*"],
        allow_private_network=True,
        max_age=86_400,
    )
    app.add_middleware(Origins)  # the outermost: whom it lets in may be any origin

    @app.post("/")
    async def rpc(request: Request) -> Response:
        try:
            body = await _read_body(request)
        except _BodyTooLarge:
            return _json(_too_large(), status=413)
        # A call can take a second of py-evm; off the loop, other connections are still accepted meanwhile.
        answer = await run_in_threadpool(handler.handle, body)
        return Response(status_code=204) if answer is None else _json(answer)

    return app


def _json(body: bytes, status: int = 200) -> Response:
    return Response(body, status_code=status, media_type="application/json")


def _too_large() -> bytes:
    error = {"code": -32600, "message": f"request body above {MAX_BODY_BYTES} bytes"}
    return json.dumps({"jsonrpc": "2.0", "id": None, "error": error}).encode()


async def _read_body(request: Request) -> bytes:
    body = bytearray()
    async for part in request.stream():
        body += part
        if len(body) > MAX_BODY_BYTES:
            raise _BodyTooLarge
    return bytes(body)


async def _mine_forever(handler: RpcHandler, block_time: float) -> None:
    while True:
        await asyncio.sleep(block_time)
        await run_in_threadpool(handler.call, "evm_mine")


def _server(handler: RpcHandler, block_time: float | None) -> uvicorn.Server:
    config = uvicorn.Config(
        create_app(handler, block_time=block_time),
        log_level="warning",
        access_log=False,
        ws="none",
        lifespan="on",
        # Longer than any client polls: a connection closed just as a request goes out fails that request.
        timeout_keep_alive=_KEEP_ALIVE_SECONDS,
        timeout_graceful_shutdown=_STOP_SECONDS,
    )
    return uvicorn.Server(config)


def _listen(host: str, port: int) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    # asyncio turns Nagle's delay off (40 ms a request, else) only where the socket names its protocol.
    listener = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((host, port))
    except OSError as error:
        listener.close()
        raise ChainUnreachable(
            f"The devnet cannot listen on {host}:{port}: {error.strerror}.",
            hint="Choose another port, or end what uses this one.",
        ) from error
    listener.listen(_BACKLOG)
    return listener


class Devnet:
    """The devnet in a thread of this process, on 127.0.0.1.

    Parameters
    ----------
    chain_id
        EIP-155 chain id.
    port
        TCP port; 0 takes a free one.
    block_time
        Seconds between empty blocks that are mined besides those of transactions; None mines none, and the time of
        the newest block then stands still while nothing is sent.

    Examples
    --------
    >>> with Devnet() as devnet:
    ...     devnet.fund("0x" + "11" * 20, 10**18)
    ...     devnet.url.startswith("http://127.0.0.1:")
    True

    """

    def __init__(self, chain_id: int = DEFAULT_CHAIN_ID, port: int = 0, block_time: float | None = None) -> None:
        self.chain_id = chain_id
        self._port = port
        self._handler = RpcHandler(EmbeddedChain(chain_id))
        self._server = _server(self._handler, block_time)
        self._listener: socket.socket | None = None
        self._thread: threading.Thread | None = None

    def __enter__(self) -> Devnet:
        """Start serving, and return once requests are answered."""
        return self.start()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Stop serving."""
        self.stop()

    def start(self) -> Devnet:
        """Start serving in the background; ChainUnreachable if the port is taken."""
        self._listener = _listen(DEFAULT_HOST, self._port)
        self._port = self._listener.getsockname()[1]
        # The socket listens already, so a client that comes before the loop runs waits in the backlog.
        self._thread = threading.Thread(target=self._server.run, args=([self._listener],), daemon=True)
        self._thread.start()
        return self

    @property
    def url(self) -> str:
        """The JSON-RPC address."""
        return f"http://{DEFAULT_HOST}:{self._port}"

    def fund(self, address: str, amount_wei: int) -> None:
        """Add to an account's balance out of nothing, in wei."""
        balance = int(self._handler.call("eth_getBalance", address), 16)
        self._handler.call("anvil_setBalance", address, balance + amount_wei)

    def stop(self) -> None:
        """Stop serving and forget the chain; a second call does nothing."""
        if self._thread is None or self._listener is None:
            return
        self._server.should_exit = True
        self._thread.join()
        self._listener.close()
        self._thread = self._listener = None


def serve(
    host: str = DEFAULT_HOST,
    port: int = DEFAULT_PORT,
    *,
    chain_id: int = DEFAULT_CHAIN_ID,
    block_time: float | None = None,
) -> None:
    """Serve until SIGTERM or SIGINT, then return; the address goes to standard output once requests are taken.

    Raises
    ------
    ChainUnreachable
        If the port is taken.

    """
    listener = _listen(host, port)
    server = _server(RpcHandler(EmbeddedChain(chain_id)), block_time)
    # uvicorn raises the signal again once it has shut down; an ended devnet is no failure.
    previous = {number: signal.signal(number, lambda *_: None) for number in (signal.SIGTERM, signal.SIGINT)}
    shown = f"[{host}]" if ":" in host else host
    try:
        print(f"http://{shown}:{listener.getsockname()[1]}", flush=True)
        server.run([listener])
    finally:
        listener.close()
        for number, handler in previous.items():
            signal.signal(number, handler)


def spawn(
    *,
    port: int = 0,
    chain_id: int = DEFAULT_CHAIN_ID,
    block_time: float | None = None,
    log: Path | None = None,
) -> ChainProcess:
    """Start the devnet in a process of its own and return it once it answers; ``stop`` it, or use it in ``with``.

    Raises
    ------
    ChainUnreachable
        If it does not answer in time; its last words are in ``log``, if given.

    """
    command = [sys.executable, "-m", __name__, "--port", str(port), "--chain-id", str(chain_id)]
    if block_time is not None:
        command += ["--block-time", str(block_time)]
    return ChainProcess.start(command, log=log, ready=lambda line: line if line.startswith("http://") else None)


def main(arguments: list[str] | None = None) -> None:
    """Run ``python -m market.chain.devnet``."""
    parser = argparse.ArgumentParser(prog="market.chain.devnet", description=__doc__)
    parser.add_argument("--host", default=DEFAULT_HOST)
    parser.add_argument("--port", type=int, default=DEFAULT_PORT, help="0 takes a free one")
    parser.add_argument("--chain-id", type=int, default=DEFAULT_CHAIN_ID)
    parser.add_argument("--block-time", type=float, default=None, help="seconds between empty blocks")
    options = parser.parse_args(arguments)
    try:
        serve(options.host, options.port, chain_id=options.chain_id, block_time=options.block_time)
    except ChainUnreachable as error:
        parser.exit(error.exit_code, f"{error.message} {error.hint}\n")


if __name__ == "__main__":
    main()
