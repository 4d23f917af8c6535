"""`manage.py appliance [run|status|stop]`: the command line in front of the supervisor."""

import argparse
import asyncio
import errno
import os
import signal
import sys
import time

from mailadmin.appliance.certificate import ensure_certificate
from mailadmin.appliance.configuration import Configuration, ConfigurationError, client_host
from mailadmin.appliance.console import Console
from mailadmin.appliance.embedded import EmbeddedServerError
from mailadmin.appliance.home import Home, load_environment, write_private
from mailadmin.appliance.sockets import port_taken
from mailadmin.appliance.state import AlreadyRunning, Lock, read_state

STOP_WITHIN_S = 120.0
LEFTOVERS_WITHIN_S = 15.0
# As the init scripts of the Linux Standard Base say it: the program is not running.
NOT_RUNNING = 3


def main(arguments: list[str]) -> int:
    """Run one command line. Returns the exit code."""
    parser = argparse.ArgumentParser(prog="manage.py appliance", description=__doc__)
    add_arguments(parser)
    options = parser.parse_args(arguments)
    try:
        if options.action == "run":
            return run(Configuration.from_environment())
        load_environment()
        configuration = Configuration.from_environment()
        return status(configuration, as_json=options.json) if options.action == "status" else stop(configuration)
    except (ConfigurationError, EmbeddedServerError, LookupError) as error:
        print(f"Not started: {error}", file=sys.stderr)
        return 1


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("action", nargs="?", choices=("run", "status", "stop"), default="run")
    parser.add_argument("--json", action="store_true", help="status: for programs instead of people")


def run(configuration: Configuration) -> int:
    """Bring everything up and stay until it is to end."""
    home = Home(configuration.home)
    home.make()
    # What programs write from now on is for them alone.
    os.umask(0o077)
    lock = Lock(configuration.home)
    try:
        lock.take()
    except AlreadyRunning as error:
        return _already_running(configuration, error)
    wait_for_leftovers(configuration)
    if problems := port_problems(configuration):
        print("Not started:\n" + "\n".join(f"  {problem}" for problem in problems), file=sys.stderr)
        return 1
    home.secret("secret_key", 50)
    names = [f"mail.{configuration.domain}", configuration.domain, *configuration.listen_addresses]
    ensure_certificate(configuration.tls_cert, configuration.tls_key, names)
    return _supervise(configuration, home)


def _supervise(configuration: Configuration, home: Home) -> int:
    from mailadmin.appliance.supervisor import Supervisor

    console = Console(configuration.home / "log" / "appliance.log")

    async def supervise() -> int:
        supervisor = Supervisor(configuration, console)
        home.write_environment(configuration.child_environment(supervisor.database_url, supervisor.redis_url))
        write_sendmail_file(configuration)
        return await supervisor.run()

    try:
        return asyncio.run(supervise())
    finally:
        console.close()


def write_sendmail_file(configuration: Configuration) -> None:
    """Where bin/sendmail hands messages over. Every local user may read it: it says nothing secret."""
    host = client_host(configuration.listen_addresses[0]).strip("[]")
    known = {
        "host": host,
        "port": configuration.ports["SMTP_PORT"],
        "imaps": configuration.ports["IMAPS_PORT"],
        "domain": configuration.domain,
    }
    lines = [f"{name}={value}" for name, value in known.items()]
    write_private(configuration.home / "sendmail.conf", "\n".join(lines) + "\n", mode=0o644)


def status(configuration: Configuration, *, as_json: bool) -> int:
    """Say what runs."""
    from mailadmin.appliance.status import gather, readable

    found = gather(configuration)
    if as_json:
        import json

        print(json.dumps(found, indent=2))
    else:
        print(readable(found))
    return 0 if found["running"] else NOT_RUNNING


def stop(configuration: Configuration) -> int:
    """End a running appliance and wait until it has ended."""
    lock = Lock(configuration.home)
    pid = lock.holder()
    if not lock.is_held() or pid is None:
        print("Not running.")
        return 0
    os.kill(pid, signal.SIGTERM)
    deadline = time.monotonic() + STOP_WITHIN_S
    while lock.is_held():
        if time.monotonic() > deadline:
            print(f"Still running after {STOP_WITHIN_S:.0f} s (pid {pid}).", file=sys.stderr)
            return 1
        time.sleep(0.05)
    print("Stopped.")
    return 0


def port_problems(configuration: Configuration) -> list[str]:
    """Everything that would keep us from listening, each with the variable that changes it."""
    wanted = [(listener.variable, listener.host, listener.port) for listener in configuration.listeners]
    if configuration.embeds_postgres:
        wanted.append(("PG_PORT", "127.0.0.1", configuration.ports["PG_PORT"]))
    if configuration.embeds_valkey:
        wanted.append(("REDIS_PORT", "127.0.0.1", configuration.ports["REDIS_PORT"]))
    return [
        _port_problem(variable, host, port, error)
        for variable, host, port in wanted
        if (error := port_taken(host, port)) is not None
    ]


def _port_problem(variable: str, host: str, port: int, error: OSError) -> str:
    if error.errno == errno.EADDRINUSE:
        return f"port {port} on {host} is in use: set {variable} to another one, or end who has it"
    if error.errno == errno.EACCES:
        return f"port {port} on {host} needs more rights: set {variable} above 1023, or start with CAP_NET_BIND_SERVICE"
    return f"cannot listen on {host} port {port} ({error.strerror}): check LISTEN_ADDRESS and {variable}"


def wait_for_leftovers(configuration: Configuration) -> None:
    """Children of a supervisor that was killed end by themselves, a moment later: let them."""
    before = read_state(configuration.home)
    pids = [child.pid for child in before.processes if child.pid] if before else []
    deadline = time.monotonic() + LEFTOVERS_WITHIN_S
    while time.monotonic() < deadline and any(_is_our_orphan(pid) for pid in pids):
        time.sleep(0.05)


def _is_our_orphan(pid: int) -> bool:
    """Is it alive, and adopted by somebody else (init, a sub-reaper) since its supervisor is gone?"""
    try:
        with open(f"/proc/{pid}/stat", encoding="ascii", errors="replace") as file:
            fields = file.read().rpartition(")")[2].split()
    except OSError:
        return False
    # A number that has been given to somebody else's process leads no session.
    return fields[0] != "Z" and int(fields[3]) == pid


def _already_running(configuration: Configuration, error: AlreadyRunning) -> int:
    known = read_state(configuration.home)
    where = f", panel at {known.public_url}/admin/" if known else ""
    print(
        f"Not started: {error}{where}.\n"
        f"  `manage.py appliance status` shows it, `manage.py appliance stop` ends it;\n"
        f"  another MAIL_HOME (now {configuration.home}) and other ports make a second one.",
        file=sys.stderr,
    )
    return 1
