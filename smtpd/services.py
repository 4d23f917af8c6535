"""What a session needs of the rest of the program, given to it by the composition root."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from mailcore.clock import Clock
from mailcore.config.snapshot import Snapshot
from mailcore.delivery.batch import Arrival
from mailcore.directory.lookups import Directory
from mailcore.directory.sasl_login import Door
from mailcore.maillog.event import Event
from mailcore.outcome import Outcome
from mailcore.routing.lists import Lists
from smtpd.limits import ClientCounts


class Config(Protocol):
    """mailcore.config.live.LiveConfig."""

    def current(self) -> Snapshot:
        """The configuration in force."""


class Records(Protocol):
    """mailcore.maillog.record.Recorder."""

    def record(self, event: Event) -> None:
        """Note that this happened; never blocks, never raises."""


class Names(Protocol):
    """smtpd.client_names.ClientNames."""

    def known(self, address: str) -> str | None:
        """The client's name, if it needs no question."""

    def find(self, address: str) -> asyncio.Task[str]:
        """Ask for it; the answer comes soon, and is never an error."""


@dataclass(frozen=True, slots=True)
class Services:
    """One per process."""

    config: Config
    directory: Directory
    lists: Lists
    authenticator: Door
    recorder: Records
    names: Names
    counts: ClientCounts
    clock: Clock
    incoming: Path
    # Runs a blocking function on a pool thread.
    plain: Callable[..., Awaitable[Any]]
    # Makes a message durable, or raises.
    submit: Callable[[Arrival], Awaitable[list[Outcome]]]
    # Told of queue work that was committed.
    wake_queue: Callable[[], Awaitable[None]]
