"""The table of processes: what runs, how it is stopped, and in which order.

Started from the lowest stage to the highest, each stage when the one below answers; stopped the other way round, so
that nobody is left without what it needs. In production each row is a unit of systemd or a container of its own
(deploy/); the commands are the same.
"""

import signal
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import IntEnum

from mailadmin.appliance.configuration import Configuration, Listener
from mailadmin.appliance.embedded import EmbeddedPostgres, EmbeddedValkey
from mailadmin.appliance.home import CODE
from mailadmin.appliance.privilege import ServerUser


class Stage(IntEnum):
    """What needs what. A higher stage is started later and stopped earlier."""

    SERVERS = 0
    PROGRAMS = 1


@dataclass(frozen=True, slots=True)
class Process:
    """One child of the supervisor."""

    role: str
    command: tuple[str, ...]
    stage: Stage
    number: int = 1
    listeners: tuple[Listener, ...] = ()
    stop_signal: int = signal.SIGTERM
    # After this long a child that was asked to stop is killed. What it had not finished is found again by its rows.
    stop_timeout_s: float = 10.0
    user: ServerUser | None = None
    # None: the environment of our own programs.
    environment: Mapping[str, str] | None = field(default=None, repr=False)
    # Shown as role.number where several processes share a role.
    numbered: bool = False

    @property
    def name(self) -> str:
        return f"{self.role}.{self.number}" if self.numbered else self.role


def postgres_process(server: EmbeddedPostgres) -> Process:
    """PostgreSQL; a fast stop writes a checkpoint, which may take a while on a slow disk."""
    return Process(
        role="postgres",
        command=tuple(server.command()),
        stage=Stage.SERVERS,
        listeners=(Listener("PG_PORT", "127.0.0.1", server.port, "PostgreSQL", "postgres"),),
        stop_signal=server.stop_signal,
        stop_timeout_s=60.0,
        user=server.user,
        environment=server.environment(),
    )


def valkey_process(server: EmbeddedValkey) -> Process:
    return Process(
        role="valkey",
        command=tuple(server.command()),
        stage=Stage.SERVERS,
        listeners=(Listener("REDIS_PORT", "127.0.0.1", server.port, "Valkey", "valkey"),),
        stop_signal=server.stop_signal,
    )


def program_processes(configuration: Configuration) -> list[Process]:
    """Our own programs."""
    listeners = configuration.listeners
    return [
        Process("worker", celery_command(configuration.queue_workers), Stage.PROGRAMS),
        Process("scheduler", (sys.executable, str(CODE / "manage.py"), "run_scheduler"), Stage.PROGRAMS),
        *_each("smtpd", configuration.smtpd_workers, listeners),
        *_each("accessd", configuration.accessd_workers, listeners),
        *([_web(configuration)] if configuration.ports["WEB_PORT"] else []),
    ]


def celery_command(concurrency: int) -> tuple[str, ...]:
    """Gossip, mingle and heartbeats serve clusters that watch each other; here the queue rows are the truth."""
    return (
        # Started by root, everything runs as root, and one warning in each log line's place is no help.
        *(sys.executable, "-W", "ignore:You're running the worker with superuser privileges"),
        *("-m", "celery", "--quiet", "--skip-checks", "-A", "mailadmin", "worker"),
        *("--concurrency", str(concurrency), "--prefetch-multiplier", "1", "--loglevel", "WARNING"),
        *("--without-gossip", "--without-mingle", "--without-heartbeat"),
    )


def gunicorn_command(binds: list[str], workers: int) -> tuple[str, ...]:
    """One load of the application, then fork: on a small machine that halves the time until the panel answers."""
    return (
        *(sys.executable, "-m", "gunicorn", "mailadmin.wsgi", "--preload", "--no-control-socket"),
        *(part for bind in binds for part in ("--bind", bind)),
        *("--workers", str(workers), "--worker-class", "gthread", "--threads", "4"),
        *("--graceful-timeout", "5", "--timeout", "60", "--keep-alive", "20", "--log-level", "warning"),
    )


def _web(configuration: Configuration) -> Process:
    listeners = tuple(listener for listener in configuration.listeners if listener.role == "web")
    command = gunicorn_command([listener.address for listener in listeners], configuration.web_workers)
    return Process("web", command, Stage.PROGRAMS, listeners=listeners)


def _each(role: str, count: int, listeners: tuple[Listener, ...]) -> list[Process]:
    own = tuple(listener for listener in listeners if listener.role == role)
    return [
        Process(
            role=role,
            command=(sys.executable, "-m", f"{role}.service", "--worker", str(number)),
            stage=Stage.PROGRAMS,
            number=number,
            listeners=own,
            numbered=count > 1,
        )
        for number in range(1, count + 1)
        if own
    ]
