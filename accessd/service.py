"""Composition root of accessd: `python -m accessd.service --worker N` is one process of the IMAP and POP3 program.

SIGTERM and SIGINT: close the ports, let every session finish its command and say good-bye, then end. SIGHUP: read the
certificate again.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import gc
import resource
import signal
import sys
from collections.abc import Coroutine, Iterable
from datetime import UTC, datetime
from typing import Any

import psycopg
import uvloop

from accessd.connection import Connection, Serve
from accessd.context import Context
from accessd.file_watch import FileWatch
from accessd.imap.serving import serve
from accessd.imap.session import ImapSession
from accessd.limits import ConnectionLimits
from accessd.listener import Listener
from accessd.notifications import Hub
from accessd.pop3.session import Pop3Session
from accessd.sessions import SessionRegistry
from accessd.settings import Protocol, Settings
from accessd.tally import Tally, meeting_place
from mailcore import log as logging
from mailcore.config.live import LiveConfig
from mailcore.db.pool import open_pool
from mailcore.db.status import REPORT_EVERY_S, ProcessReport, forget, report
from mailcore.delivery.recovery import journals, recover
from mailcore.directory.app_password_uses import AppPasswordUses
from mailcore.directory.authenticate import Authenticator
from mailcore.directory.issuers import Issuers
from mailcore.directory.last_logins import LastLogins
from mailcore.directory.postgres import PostgresDirectory
from mailcore.events.publish import connect, connect_async
from mailcore.events.subscribe import store_changes
from mailcore.index.index import modseqs_of
from mailcore.maillog.record import Recorder
from mailcore.memory import give_back_large_blocks
from mailcore.offload import Offload
from mailcore.sharing.states import account_states
from mailcore.store.journal import Journal
from mailcore.store.storage import Storage
from mailcore.throttle.throttle import Throttle
from mailcore.tls import Certificate

FINISH_S = 5.0
FILES_KEPT_FREE = 200
SWITCH_S = 0.001

log = logging.get_logger(__name__)


def main() -> None:
    """Entry point."""
    parser = argparse.ArgumentParser(prog="accessd", description=__doc__)
    parser.add_argument("--worker", type=int, default=0, help="number of this process, for reports and logs")
    arguments = parser.parse_args()
    logging.configure("accessd")
    give_back_large_blocks()
    # A SEARCH that reads every message keeps its thread busy: the loop gets its turn after this time, not after 5 ms.
    sys.setswitchinterval(SWITCH_S)
    uvloop.run(run(Settings.from_env(), arguments.worker))


async def run(settings: Settings, number: int) -> None:
    """Serve until told to stop."""
    most_files = raise_file_limit()
    pool = open_pool(settings.database_url, settings.threads, name="accessd")
    offload = Offload(pool, settings.threads)
    # What the process says of itself: never behind the work of clients, and its plans in one PostgreSQL session only.
    report_pool = open_pool(settings.database_url, 1, name="accessd")
    reports = Offload(report_pool, 1)
    config = LiveConfig(settings.database_url, offload)
    directory = PostgresDirectory(pool)
    uses, logins = AppPasswordUses(offload), LastLogins(offload)
    throttle = Throttle(connect(settings.redis_url), lambda: config.current().auth_failure_limit)
    tokens = Issuers(lambda: config.current().oauth_issuers, offload)
    authenticator = Authenticator(directory, offload, throttle=throttle, uses=uses, logins=logins, tokens=tokens)
    config.on_change(lambda _snapshot: directory.forget())
    await config.start()
    recorder = Recorder(settings.database_url, settings.maillog, hostname=config.current().myhostname)
    publisher = connect_async(settings.redis_url)
    hub = Hub(
        publisher,
        lambda: store_changes(settings.redis_url),
        lambda ids: offload(modseqs_of, ids),
        lambda ids: offload(account_states, ids),
    )
    storage = Storage(settings.mail_root)
    await offload(recover, settings.mail_home)
    journal = await offload.plain(Journal, journals(settings.mail_home), settings.mail_home)
    files = FileWatch(offload, storage, hub)
    tally = Tally(meeting_place(settings.mail_home))
    limits = ConnectionLimits(tally, config.current, most=most_files - FILES_KEPT_FREE)
    context = Context(
        offload=offload,
        config=config,
        authenticator=authenticator,
        storage=storage,
        redis=connect(settings.redis_url),
        recorder=recorder,
        directory=directory,
        hub=hub,
        files=files,
        limits=limits,
        journal=journal,
    )
    hub.start()
    files.start()
    await _serve(settings, context, reports, number)
    limits.close()
    await files.stop()
    await hub.stop()
    await uses.flush()
    await logins.flush()
    await config.stop()
    await publisher.aclose()
    await offload.plain(journal.close)
    await _forget(reports)
    recorder.close()
    for each, connections in ((offload, pool), (reports, report_pool)):
        each.close()
        connections.close()


async def _serve(settings: Settings, context: Context, reports: Offload, number: int) -> None:
    certificate = Certificate(settings.tls_cert, settings.tls_key)
    listener = Listener(
        settings.addresses,
        settings.endpoints,
        certificate,
        sessions_of(context),
        context.limits,
        trusts_balancer=lambda host: host in context.config.current().haproxy_trusted_networks,
    )
    await listener.start()
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number_of_signal in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number_of_signal, stop.set)
    loop.add_signal_handler(signal.SIGHUP, certificate.reload)
    # What exists by now lives as long as the process: no collection has to look at it again.
    gc.collect()
    gc.freeze()
    reporter = asyncio.create_task(_report(context, reports, number, listener.listening))
    log.info("ready", worker=number, listening=" ".join(listener.listening))
    await stop.wait()
    log.info("stopping", worker=number)
    await listener.stop_accepting()
    await finish(listener.connections)
    reporter.cancel()
    await asyncio.gather(reporter, return_exceptions=True)


def sessions_of(context: Context) -> dict[Protocol, Serve]:
    """What to start for a new connection."""

    def imap(connection: Connection) -> Coroutine[Any, Any, None]:
        connection.session = session = ImapSession(context, connection)
        return serve(session)

    def pop3(connection: Connection) -> Coroutine[Any, Any, None]:
        connection.session = session = Pop3Session(context)
        return session.run(connection)

    return {"imap": imap, "pop3": pop3}


async def finish(connections: Iterable[Connection]) -> None:
    """Sessions read the end of their connection, answer what they were asked before, and end."""
    tasks = [connection.task for connection in connections if connection.task is not None]
    for connection in tuple(connections):
        connection.expire("Server shutting down")
    if tasks:
        _, unfinished = await asyncio.wait(tasks, timeout=FINISH_S)
        for task in unfinished:
            task.cancel()
        await asyncio.gather(*unfinished, return_exceptions=True)
        # One turn of the loop for each transport to write what was said last.
        await asyncio.sleep(0.05)


async def _report(context: Context, reports: Offload, number: int, listening: list[str]) -> None:
    """Every two seconds, and at once on a new configuration."""
    started_at = datetime.now(UTC)
    changed = asyncio.Event()
    context.config.on_change(lambda _snapshot: changed.set())
    registry = SessionRegistry(context.limits)
    while True:
        # Cleared first: a change during the report is reported next.
        changed.clear()
        process = ProcessReport("accessd", number, started_at, context.config.current().generation, tuple(listening))
        await reports.plain(context.limits.look_for_others)
        try:
            await reports(report, process)
            await registry.tell(reports)
        except psycopg.Error as error:
            log.warning("not_reported", error=str(error).strip())
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(changed.wait(), REPORT_EVERY_S)


async def _forget(reports: Offload) -> None:
    try:
        await reports(forget)
    except psycopg.Error:
        log.warning("still_listed")


def raise_file_limit() -> int:
    """As many connections as the system lets us have."""
    _soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = hard if hard != resource.RLIM_INFINITY else 1_000_000
    resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
    return wanted


if __name__ == "__main__":
    main()
