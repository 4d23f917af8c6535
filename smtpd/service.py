"""Composition root of the SMTP program: `python -m smtpd.service [--worker N]`.

One process per call; a supervisor starts as many as there should be, they share the ports through SO_REUSEPORT.
SIGTERM and SIGINT: stop accepting, finish what is being received, say 421 to the rest, end. SIGHUP: read the
certificate again.
"""

from __future__ import annotations

import argparse
import asyncio
import signal
from collections.abc import Sequence
from contextlib import suppress

import psycopg
import uvloop

from mailcore import log as logs
from mailcore.clock import SystemClock
from mailcore.config.live import LiveConfig
from mailcore.config.snapshot import Snapshot
from mailcore.db import status
from mailcore.db.pool import Connection, open_pool
from mailcore.db.status import ProcessReport
from mailcore.directory.app_password_uses import AppPasswordUses
from mailcore.directory.authenticate import Authenticator
from mailcore.directory.issuers import Issuers
from mailcore.directory.last_logins import LastLogins
from mailcore.directory.postgres import PostgresDirectory
from mailcore.events import publish
from mailcore.maillog.record import Recorder
from mailcore.offload import Offload
from mailcore.routing.lists import FileLists
from mailcore.throttle.throttle import Throttle
from mailcore.tls import Certificate
from smtpd.client_names import ClientNames
from smtpd.commit_process import CommitProcess
from smtpd.deliver import Delivery
from smtpd.group_commit import GroupCommit
from smtpd.handler import Handler
from smtpd.limits import ClientCounts
from smtpd.listener import Listener
from smtpd.maildrop import Pickup
from smtpd.reverse_dns import ReverseDns
from smtpd.services import Services
from smtpd.settings import Settings

STOP_WITHIN_S = 8.0

log = logs.get_logger(__name__)


class Service:
    """One SMTP process: built, started, reported about, stopped."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._started_at = SystemClock().now()
        self._pool = open_pool(settings.database_url, settings.threads, name=f"smtpd.{settings.worker}")
        self._offload = Offload(self._pool, settings.threads)
        self._committer = CommitProcess(settings.worker)
        self.config = LiveConfig(settings.database_url, self._offload)
        self._recorder = Recorder(settings.database_url, settings.home / "log" / "maillog")
        self._redis = publish.connect_async(settings.redis_url)
        self._certificate = Certificate(settings.tls_cert, settings.tls_key)
        self._listener: Listener | None = None
        self._tasks: list[asyncio.Task[None]] = []

    async def start(self) -> None:
        """Wait for the configuration, then accept mail."""
        settings = self._settings
        incoming = settings.home / "spool" / "incoming"
        incoming.mkdir(parents=True, exist_ok=True)
        directory = PostgresDirectory(self._pool)
        self._uses, self._logins = AppPasswordUses(self._offload), LastLogins(self._offload)
        throttle = Throttle(publish.connect(settings.redis_url), lambda: self.config.current().auth_failure_limit)
        tokens = Issuers(lambda: self.config.current().oauth_issuers, self._offload)
        authenticator = Authenticator(
            directory, self._offload, throttle=throttle, uses=self._uses, logins=self._logins, tokens=tokens
        )
        self.config.on_change(lambda _: directory.forget())
        self.config.on_change(self._generation_changed)
        await self.config.start()
        await self._committer([], 0.0)  # no mail is accepted before it recovered what a power cut may have left
        delivery = Delivery(self._committer, self.config, self._redis)
        self._commit = GroupCommit(delivery)
        clock = SystemClock()
        dns_server = settings.dns_server
        self._names = ClientNames(ReverseDns(dns_server), clock, asks_for_private=bool(dns_server))
        services = Services(
            config=self.config,
            directory=directory,
            lists=FileLists(settings.home / "lists"),
            authenticator=authenticator,
            recorder=self._recorder,
            names=self._names,
            counts=ClientCounts(clock),
            clock=clock,
            incoming=incoming,
            plain=self._offload.plain,
            submit=self._commit.submit,
            wake_queue=delivery.wake_queue,
        )
        handler = Handler(services)
        self._listener = Listener(settings, self._certificate, handler)
        await self._listener.start()
        self._pickup = Pickup(services, handler, settings.home / "maildrop")
        self._tasks = [asyncio.create_task(self._pickup.run()), asyncio.create_task(self._report_for_ever())]
        log.info("listening", addresses=" ".join(self.listening), worker=settings.worker)

    @property
    def listening(self) -> tuple[str, ...]:
        """Where it accepts connections; empty until it does."""
        return self._listener.listening if self._listener is not None else ()

    def reload(self) -> None:
        """SIGHUP."""
        self._certificate.reload()

    def _generation_changed(self, snapshot: Snapshot) -> None:
        """The panel shows at once who runs the new generation."""
        if self.listening:
            self._report_soon = asyncio.create_task(self._report())

    async def _report_for_ever(self) -> None:
        while True:
            await self._report()
            await asyncio.sleep(status.REPORT_EVERY_S)

    async def _report(self) -> None:
        process = ProcessReport(
            "smtpd", self._settings.worker, self._started_at, self.config.current().generation, self.listening
        )
        with suppress(psycopg.Error):
            await self._offload(status.report, process)

    async def stop(self) -> None:
        """In order: no new connections, sessions end, commits end, what was recorded is written."""
        assert self._listener is not None
        self._listener.stop_accepting()
        connections = list(self._listener.connections)
        for protocol in connections:
            protocol.stop()
        sessions = [protocol.session_task for protocol in connections if protocol.session_task is not None]
        if sessions:
            await asyncio.wait(sessions, timeout=STOP_WITHIN_S)
        await self._names.close()
        await self._commit.drain()
        await self._committer.close()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        self._pickup.close()
        await self.config.stop()
        await self._uses.flush()
        await self._logins.flush()
        with suppress(psycopg.Error, TimeoutError):
            await asyncio.wait_for(self._offload(_forget), 2.0)
        self._recorder.close()
        await self._redis.aclose()
        self._offload.close()
        self._pool.close()


def _forget(conn: Connection) -> None:
    status.forget(conn)


async def run(settings: Settings) -> None:
    """Until a signal ends it."""
    loop = asyncio.get_running_loop()
    stopping = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stopping.set)
    service = Service(settings)
    loop.add_signal_handler(signal.SIGHUP, service.reload)
    starting = asyncio.create_task(service.start())
    waiting = asyncio.create_task(stopping.wait())
    await asyncio.wait({starting, waiting}, return_when=asyncio.FIRST_COMPLETED)
    if not starting.done():
        starting.cancel()
        return
    starting.result()
    await waiting
    await service.stop()


def main(arguments: Sequence[str] | None = None) -> None:
    """The command."""
    parser = argparse.ArgumentParser(prog="smtpd.service", description=__doc__)
    parser.add_argument("--worker", type=int, default=1, help="number of this process among those of its role")
    options = parser.parse_args(arguments)
    logs.configure("smtpd")
    uvloop.run(run(Settings.from_env(worker=options.worker)))


if __name__ == "__main__":
    main()
