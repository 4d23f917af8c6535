"""One supervised child: started, listened to, started again with growing pauses, stopped with its own signal.

Each child leads a process group of its own, so that Ctrl-C on the terminal reaches only the supervisor, which then
stops everything in order. When a child ends, what is left of its group is killed before the next start: an orphaned
worker would keep the port that its successor needs.
"""

import asyncio
import os
import signal
import subprocess
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from enum import Enum

from mailadmin.appliance.backoff import BackOff
from mailadmin.appliance.console import Console
from mailadmin.appliance.home import CODE
from mailadmin.appliance.privilege import child_setup
from mailadmin.appliance.processes import Process

LONGEST_LINE = 1 << 16
OUTPUT_WITHIN_S = 1.0


class State(Enum):
    """What the supervisor knows of a child."""

    WAITING = "waiting"
    RUNNING = "running"
    BACKOFF = "backoff"
    STOPPING = "stopping"
    STOPPED = "stopped"


class Child:
    """Runs one Process until it is told to stop."""

    def __init__(
        self, process: Process, environment: Mapping[str, str], console: Console, changed: Callable[[], None]
    ) -> None:
        self.process = process
        self.state = State.WAITING
        self.pid: int | None = None
        self.started_at: float | None = None
        self.restarts = 0
        self._environment = process.environment or environment
        self._console = console
        self._changed = changed
        self._backoff = BackOff()
        self._task: asyncio.Task[None] | None = None
        self._stopping = asyncio.Event()

    def start(self) -> None:
        self._task = asyncio.create_task(self._run(), name=self.process.name)

    async def stop(self) -> None:
        """Ask, wait, and kill when the time is over. Returns when it is gone."""
        self._stopping.set()
        if self._task is None:
            self._set(State.STOPPED)
            return
        if self.pid is not None:
            self._set(State.STOPPING)
            self.signal(self.process.stop_signal)
        done, _ = await asyncio.wait({self._task}, timeout=self.process.stop_timeout_s)
        if not done:
            self._console.say(f"{self.process.name} did not stop within {self.process.stop_timeout_s:.0f} s: killed")
            self.kill()
            await self._task

    def signal(self, number: int) -> None:
        if self.pid is not None:
            with suppress(ProcessLookupError):
                os.kill(self.pid, number)

    def kill(self) -> None:
        """Now. PostgreSQL gets its "immediate" signal, which it survives; everybody else is killed with its group."""
        if self.pid is None:
            return
        if self.process.role == "postgres":
            self.signal(signal.SIGQUIT)
        else:
            _kill_group(self.pid)

    async def _run(self) -> None:
        while not self._stopping.is_set():
            began = time.monotonic()
            ending = await self._run_once()
            if self._stopping.is_set():
                break
            pause = self._backoff.after_run_of(time.monotonic() - began)
            self._console.say(f"{self.process.name} ended ({ending}), starts again in {pause:.1f} s")
            self._set(State.BACKOFF)
            with suppress(TimeoutError):
                await asyncio.wait_for(self._stopping.wait(), pause)
            self.restarts += not self._stopping.is_set()
        self._set(State.STOPPED)

    async def _run_once(self) -> str:
        """One life. Returns how it ended, in words."""
        try:
            running = self._spawn()
        except OSError as error:
            return f"could not be started: {error}"
        self.pid, self.started_at = running.pid, time.time()
        self._set(State.RUNNING)
        relaying = asyncio.create_task(self._relay_output(running))
        code = await ended(running)
        self.pid = None
        # Before waiting for the end of its output: what is left of its group may hold the pipe open.
        _kill_group(running.pid)
        with suppress(TimeoutError):
            await asyncio.wait_for(relaying, OUTPUT_WITHIN_S)
        return f"signal {signal.Signals(-code).name}" if code < 0 else f"exit code {code}"

    def _spawn(self) -> subprocess.Popen[bytes]:
        """Started from the main thread, since the death signal comes when the thread that started a child ends."""
        return subprocess.Popen(
            self.process.command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            env=dict(self._environment),
            cwd=CODE if self.process.user is None else "/",
            start_new_session=True,
            preexec_fn=child_setup(self.process.stop_signal, self.process.user),
        )

    async def _relay_output(self, running: subprocess.Popen[bytes]) -> None:
        assert running.stdout is not None
        reader = asyncio.StreamReader(limit=LONGEST_LINE)
        protocol = asyncio.StreamReaderProtocol(reader)
        transport, _ = await asyncio.get_running_loop().connect_read_pipe(lambda: protocol, running.stdout)
        try:
            while line := await _next_line(reader):
                self._console.relay(self.process.name, line.decode("utf-8", "replace").rstrip())
        finally:
            transport.close()

    def _set(self, state: State) -> None:
        self.state = state
        self._changed()


async def ended(running: subprocess.Popen[bytes]) -> int:
    """Wait for the end of a process itself, whoever still holds its pipes. Returns its exit code, or -signal."""
    loop, over = asyncio.get_running_loop(), asyncio.Event()
    descriptor = os.pidfd_open(running.pid)
    try:
        loop.add_reader(descriptor, over.set)
        await over.wait()
    finally:
        loop.remove_reader(descriptor)
        os.close(descriptor)
    return running.wait()


async def _next_line(reader: asyncio.StreamReader) -> bytes:
    """A line, or a piece of one that is too long; empty at the end."""
    try:
        return await reader.readuntil(b"\n")
    except asyncio.IncompleteReadError as rest:
        return rest.partial
    except asyncio.LimitOverrunError as overrun:
        return await reader.read(overrun.consumed)


def _kill_group(leader: int) -> None:
    with suppress(ProcessLookupError, PermissionError):
        os.killpg(leader, signal.SIGKILL)
