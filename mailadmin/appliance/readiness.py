"""When is it up? A server answers, a program listens on every one of its ports, and the panel says that all is well."""

import asyncio
import time
from collections.abc import Awaitable, Callable, Iterable

from mailadmin.appliance.child import Child
from mailadmin.appliance.configuration import Configuration, client_host
from mailadmin.appliance.sockets import listening_addresses

LOOK_EVERY_S = 0.05
# /healthz asks every component: asked too often, it would take from them the time they need to start.
HEALTH_EVERY_S = 0.25

Condition = Callable[[], Awaitable[bool]]


async def wait_for(condition: Condition, seconds: float, stop: asyncio.Event, *, every_s: float = LOOK_EVERY_S) -> bool:
    """True when it came true; False when the time was over or the appliance is to stop."""
    deadline = time.monotonic() + seconds
    while not stop.is_set():
        if await condition():
            return True
        if time.monotonic() > deadline:
            return False
        await asyncio.sleep(every_s)
    return False


def not_listening(children: Iterable[Child]) -> list[str]:
    """Names of the children that do not listen on all of their ports yet."""
    return [child.process.name for child in children if not _listens(child)]


async def health(configuration: Configuration) -> tuple[int, str]:
    """Status and text of /healthz; (0, why) while nobody answers."""
    port = configuration.ports["WEB_PORT"]
    host = client_host(configuration.listen_addresses[0])
    try:
        reader, writer = await asyncio.wait_for(asyncio.open_connection(host.strip("[]"), port), 2)
        writer.write(f"GET /healthz HTTP/1.0\r\nHost: {host}:{port}\r\nConnection: close\r\n\r\n".encode())
        answer = await asyncio.wait_for(reader.read(1 << 16), 10)
        writer.close()
    except (OSError, TimeoutError) as error:
        return 0, str(error) or "no answer"
    head, _, body = answer.partition(b"\r\n\r\n")
    words = head.split(None, 2)
    status = int(words[1]) if len(words) > 1 and words[1].isdigit() else 0
    return status, body.decode("utf-8", "replace").strip()


def _listens(child: Child) -> bool:
    if child.pid is None:
        return False
    wanted = {listener.port for listener in child.process.listeners}
    if not wanted:
        return True
    return wanted <= {int(address.rpartition(":")[2]) for address in listening_addresses(child.pid)}
