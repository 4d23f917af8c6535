"""One supervised child: started, listened to, started again with growing pauses, stopped with its own signal.

Each child leads a process group of its own, so that Ctrl-C on the terminal reaches only the supervisor, which then
stops everything in order. When a child ends, what is left of its group is killed before the next start: an orphaned
worker would keep the port that its successor needs.
"""

import asyncio
import os
import signal
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
            running = await asyncio.create_subprocess_exec(
                *self.process.command,
                stdin=asyncio.subprocess.DEVNULL,
                stdout=asyncio.subprocess.PIPE,
                stderr=asyncio.subprocess.STDOUT,
                env=dict(self._environment),
                cwd=CODE if self.process.user is None else "/",
                limit=LONGEST_LINE,
                start_new_session=True,
                preexec_fn=child_setup(self.process.stop_signal, self.process.user),
            )
        except OSError as error:
            return f"could not be started: {error}"
        self.pid, self.started_at = running.pid, time.time()
        self._set(State.RUNNING)
        # A stop that came while the program was being started.
        if self._stopping.is_set():
            self.signal(self.process.stop_signal)
        listening = asyncio.create_task(self._relay_output(running.stdout))
        code = await running.wait()
        self.pid = None
        _kill_group(running.pid)
        with suppress(TimeoutError):
            await asyncio.wait_for(listening, 1.0)
        return f"signal {signal.Signals(-code).name}" if code < 0 else f"exit code {code}"

    async def _relay_output(self, output: asyncio.StreamReader | None) -> None:
        assert output is not None
        while True:
            try:
                line = await output.readuntil(b"\n")
            except asyncio.IncompleteReadError as rest:
                line = rest.partial
                if not line:
                    return
            except asyncio.LimitOverrunError as overrun:
                line = await output.read(overrun.consumed)
            self._console.relay(self.process.name, line.decode("utf-8", "replace").rstrip())

    def _set(self, state: State) -> None:
        self.state = state
        self._changed()


def _kill_group(leader: int) -> None:
    with suppress(ProcessLookupError, PermissionError):
        os.killpg(leader, signal.SIGKILL)
