"""The supervisor: one process that starts all others in order, keeps them running, and stops them in order.

It promises that a child that ends is started again, that no child outlives it, and that Ctrl-C or SIGTERM ends
everything cleanly; a second one ends it at once. It does nothing while nothing happens.
"""

import asyncio
import os
import signal
import subprocess
import sys
import time
from collections.abc import Mapping

from mailadmin.appliance.child import Child, State, ended
from mailadmin.appliance.configuration import Configuration, program_environment
from mailadmin.appliance.console import Console
from mailadmin.appliance.embedded import EmbeddedPostgres, EmbeddedValkey, postgres_answers
from mailadmin.appliance.home import CODE, Home
from mailadmin.appliance.preparation import is_prepared, note_prepared
from mailadmin.appliance.privilege import child_setup
from mailadmin.appliance.processes import Process, Stage, postgres_process, program_processes, valkey_process
from mailadmin.appliance.readiness import HEALTH_EVERY_S, Condition, health, not_listening, wait_for
from mailadmin.appliance.screen import ready_screen
from mailadmin.appliance.state import ApplianceState, ChildState, write_state
from mailcore.delivery.recovery import recover_home

SERVERS_WITHIN_S = 120.0  # crash recovery of a large database takes its time
PROGRAMS_WITHIN_S = 60.0


class StartFailed(Exception):
    """It cannot be brought up. The text is for the person who started it."""


class Supervisor:
    """Runs the whole appliance. run() returns when all of it has ended."""

    def __init__(self, configuration: Configuration, console: Console) -> None:
        self._configuration = configuration
        self._console = console
        self._home = Home(configuration.home)
        self._children: list[Child] = []
        self._stop = asyncio.Event()
        self._started_at = time.time()
        self._ready = False
        self._postgres = self._embedded_postgres()
        self._valkey = self._embedded_valkey()

    async def run(self) -> int:
        """Start, watch, stop. Returns an exit code."""
        self._listen_to_signals()
        code = 0
        try:
            await self._start_servers()
            await self._prepare()
            await self._recover()
            await self._start_programs()
            await self._stop.wait()
        except StartFailed as error:
            self._console.say(f"\nNot started: {error}")
            code = 1
        self._console.say("Stopping ...")
        await self._stop_everything()
        self._console.say("Stopped.")
        return code

    @property
    def database_url(self) -> str:
        return self._postgres.url() if self._postgres else self._configuration.database_url

    @property
    def redis_url(self) -> str:
        return self._valkey.url() if self._valkey else self._configuration.redis_url

    def _embedded_postgres(self) -> EmbeddedPostgres | None:
        if not self._configuration.embeds_postgres:
            return None
        port, password = self._configuration.ports["PG_PORT"], self._home.secret("database_password")
        return EmbeddedPostgres(self._home.folder / "pg", port, password)

    def _embedded_valkey(self) -> EmbeddedValkey | None:
        if not self._configuration.embeds_valkey:
            return None
        port, password = self._configuration.ports["REDIS_PORT"], self._home.secret("redis_password")
        return EmbeddedValkey(self._home.folder / "valkey", port, password)

    # Starting

    async def _start_servers(self) -> None:
        if self._valkey:
            self._valkey.initialise()
            self._launch([valkey_process(self._valkey)])
        if self._postgres:
            if not self._postgres.exists:
                self._console.say("Making the database ...")
                self._postgres.initialise()
            self._launch([postgres_process(self._postgres)])
        await self._need(self._postgres_answers, SERVERS_WITHIN_S, f"PostgreSQL does not answer ({self._where()})")
        if self._valkey:
            await self._need(self._valkey_answers, SERVERS_WITHIN_S, "Valkey does not answer")

    async def _prepare(self) -> None:
        if self._stop.is_set():
            return
        if self._postgres:
            await asyncio.to_thread(self._postgres.ensure_database)
        if await asyncio.to_thread(is_prepared, self._home, self.database_url):
            return
        self._console.say("Preparing the database and static files ...")
        running = self._run_preparation()
        if await ended(running) != 0:
            raise StartFailed("the database could not be prepared; the reason is above")
        await asyncio.to_thread(note_prepared, self._home, self.database_url)

    async def _recover(self) -> None:
        """Before anybody looks at a mailbox: make good what a power cut took."""
        if self._stop.is_set():
            return
        if files := await asyncio.to_thread(recover_home, self.database_url, self._home.folder):
            self._console.say(f"Recovered {files} files from the journal.")

    def _run_preparation(self) -> subprocess.Popen[bytes]:
        return subprocess.Popen(
            [sys.executable, str(CODE / "manage.py"), "prepare_appliance"],
            stdin=subprocess.DEVNULL,
            env=dict(self._program_environment()),
            cwd=CODE,
            start_new_session=True,
            preexec_fn=child_setup(signal.SIGTERM),
        )

    async def _start_programs(self) -> None:
        if self._stop.is_set():
            return
        programs = program_processes(self._configuration)
        # The panel first: it has the most to load.
        self._launch(sorted(programs, key=lambda process: process.role != "web"))
        listening = await wait_for(self._all_listen, PROGRAMS_WITHIN_S, self._stop)
        answered = listening and await wait_for(self._is_healthy, PROGRAMS_WITHIN_S, self._stop, every_s=HEALTH_EVERY_S)
        if self._stop.is_set():
            return
        if not answered:
            await self._say_what_is_missing()
        self._ready = True
        self._write_state()
        self._show_screen()

    def _launch(self, processes: list[Process]) -> None:
        if self._stop.is_set():
            return
        environment = self._program_environment()
        for process in processes:
            child = Child(process, environment, self._console, self._write_state)
            self._children.append(child)
            child.start()

    def _program_environment(self) -> Mapping[str, str]:
        told = self._configuration.child_environment(self.database_url, self.redis_url)
        return program_environment(os.environ, told)

    # Waiting

    async def _need(self, condition: Condition, seconds: float, otherwise: str) -> None:
        if not await wait_for(condition, seconds, self._stop) and not self._stop.is_set():
            raise StartFailed(otherwise)

    async def _postgres_answers(self) -> bool:
        url = self._postgres.url("postgres") if self._postgres else self._configuration.database_url
        return await asyncio.to_thread(postgres_answers, url)

    async def _valkey_answers(self) -> bool:
        return self._valkey is not None and await asyncio.to_thread(self._valkey.answers)

    async def _all_listen(self) -> bool:
        return not not_listening(self._children)

    async def _is_healthy(self) -> bool:
        if not self._configuration.ports["WEB_PORT"]:
            return True
        return (await health(self._configuration))[0] == 200

    async def _say_what_is_missing(self) -> None:
        self._console.say(f"\nAfter {PROGRAMS_WITHIN_S:.0f} s not everything answers; it goes on trying.")
        for name in not_listening(self._children):
            self._console.say(f"  {name} does not listen on all of its ports")
        if self._configuration.ports["WEB_PORT"]:
            status, text = await health(self._configuration)
            self._console.say(f"  /healthz: {status}\n{text}")

    def _where(self) -> str:
        return "embedded" if self._postgres else "DATABASE_URL"

    # Telling

    def _show_screen(self) -> None:
        admin = f"admin@{self._configuration.domain}"
        path = self._home.folder / "admin_password"
        password = path.read_text().strip() if path.exists() else None
        seconds = time.time() - self._started_at
        self._console.say(ready_screen(self._configuration, admin, password, seconds))

    def _write_state(self) -> None:
        children = tuple(
            ChildState(
                role=child.process.role,
                number=child.process.number,
                name=child.process.name,
                pid=child.pid,
                state=child.state.value,
                started_at=child.started_at,
                restarts=child.restarts,
            )
            for child in self._children
        )
        state = ApplianceState(os.getpid(), self._started_at, self._ready, self._configuration.public_url, children)
        write_state(self._home.folder, state)

    # Stopping

    def _listen_to_signals(self) -> None:
        loop = asyncio.get_running_loop()
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            loop.add_signal_handler(number, self._asked_to_stop)

    def _asked_to_stop(self) -> None:
        if not self._stop.is_set():
            self._stop.set()
            return
        self._console.say("Asked twice: ending everything now.")
        for child in self._children:
            child.kill()

    async def _stop_everything(self) -> None:
        self._stop.set()
        for stage in sorted(Stage, reverse=True):
            here = [child for child in self._children if child.process.stage is stage]
            await asyncio.gather(*(child.stop() for child in here))
        assert all(child.state is State.STOPPED for child in self._children)
        self._write_state()
