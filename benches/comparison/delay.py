"""A TCP proxy that delays: a network with a long way between client and server."""

from __future__ import annotations

import asyncio
import threading
from contextlib import contextmanager
from typing import Iterator

#: Enough for the bytes that are on their way at a high rate.
CHUNK = 256 << 10
QUEUE = 64


async def _read(reader: asyncio.StreamReader, queue: asyncio.Queue, delay: float) -> None:
    loop = asyncio.get_running_loop()
    try:
        while data := await reader.read(CHUNK):
            await queue.put((loop.time() + delay, data))
    except ConnectionError:
        pass
    await queue.put((loop.time() + delay, b""))


async def _write(writer: asyncio.StreamWriter, queue: asyncio.Queue) -> None:
    loop = asyncio.get_running_loop()
    while True:
        at, data = await queue.get()
        await asyncio.sleep(max(0.0, at - loop.time()))
        if not data:
            writer.close()
            return
        try:
            writer.write(data)
            await writer.drain()
        except ConnectionError:
            return


async def _pass(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, delay: float) -> None:
    queue: asyncio.Queue = asyncio.Queue(QUEUE)
    reading = asyncio.create_task(_read(reader, queue, delay))
    await _write(writer, queue)
    reading.cancel()


async def _serve(port: int, delay: float, started: "threading.Event", told: dict) -> None:
    async def accept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        # Connecting takes a round trip, too.
        await asyncio.sleep(2 * delay)
        to_reader, to_writer = await asyncio.open_connection("127.0.0.1", port)
        await asyncio.gather(_pass(reader, to_writer, delay), _pass(to_reader, writer, delay))

    server = await asyncio.start_server(accept, "127.0.0.1", 0)
    stop = asyncio.Event()
    told.update(port=server.sockets[0].getsockname()[1], stop=stop, loop=asyncio.get_running_loop())
    started.set()
    async with server:
        await stop.wait()


@contextmanager
def proxy(port: int, round_trip_seconds: float) -> Iterator[int]:
    """Gives the port of a proxy for `port` on this machine. Bytes arrive half a round trip after they were sent."""
    started = threading.Event()
    told: dict = {}
    run = lambda: asyncio.run(_serve(port, round_trip_seconds / 2, started, told))  # noqa: E731
    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    if not started.wait(10):
        raise RuntimeError("the proxy did not start")
    try:
        yield told["port"]
    finally:
        told["loop"].call_soon_threadsafe(told["stop"].set)
        thread.join(5)
