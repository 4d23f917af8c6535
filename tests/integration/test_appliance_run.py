"""The whole appliance as a person meets it: first start, second start, status, crashes, stop, and what may go wrong."""

import json
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import psycopg
import pytest

from tests.fixtures_appliance import Appliance
from tests.fixtures_servers import ROOT, wait_until

ROLES = {"postgres", "valkey", "web", "smtpd", "accessd", "scheduler", "worker"}


def is_alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def paste(appliance: Appliance, command: str) -> str:
    """Run a printed command in a shell as a person would."""
    result = subprocess.run(
        ["bash", "-c", command],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
        env={"PATH": os.environ["PATH"], "HOME": os.environ.get("HOME", "/")},
    )
    assert result.returncode == 0, result.stderr
    return result.stdout


def test_the_screen_of_the_first_start_is_short_and_its_commands_work(appliance):
    screen = appliance.output[appliance.output.index("Mailkeep is up") :]
    commands = [line.strip() for line in screen.splitlines() if line.startswith("    ")]

    assert len(screen.splitlines()) < 20
    assert f"http://127.0.0.1:{appliance.ports.web}/admin/" in screen
    assert appliance.admin_password in screen
    assert len(commands) == 3

    send, look, read = commands
    paste(appliance, send)
    wait_until(lambda: "status=sent" in paste(appliance, look), what="the delivery is in maillog")
    wait_until(lambda: "It works." in paste(appliance, read), what="the message is read")
    assert "Subject: Hello" in paste(appliance, read)


def test_every_process_says_where_it_listens_and_what_it_runs(appliance):
    found = {}

    def all_run_the_current_configuration() -> bool:
        found.update(appliance.status())
        programs = [each for each in found["processes"] if each["role"] not in ("postgres", "valkey")]
        return all(each["generation"] == found["generation"] for each in programs)

    wait_until(all_run_the_current_configuration)

    assert found["running"]
    assert found["ready"]
    assert {process["role"] for process in found["processes"]} == ROLES
    for process in found["processes"]:
        assert process["state"] == "running"
        assert process["uptime_s"] > 0
        assert is_alive(process["pid"])
    listening = {process["role"]: process["listening"] for process in found["processes"]}
    ports = appliance.ports
    assert sorted(listening["smtpd"]) == sorted(
        f"127.0.0.1:{port}" for port in (ports.smtp, ports.submission, ports.submissions)
    )
    assert listening["web"] == [f"127.0.0.1:{ports.web}"]
    assert listening["postgres"] == [f"127.0.0.1:{ports.pg}"]
    assert f"127.0.0.1:{ports.imaps}" in listening["accessd"]


def test_status_for_people_is_a_table(appliance):
    lines = appliance.manage("appliance", "status").stdout.splitlines()

    assert f"http://127.0.0.1:{appliance.ports.web}" in lines[0]
    assert [line.split()[0] for line in lines[3:]] == [p["name"] for p in appliance.status()["processes"]]


def test_a_committed_change_is_in_the_status_within_seconds(appliance):
    before = appliance.status()["generation"]

    with psycopg.connect(appliance.database_url) as connection:
        connection.execute("UPDATE server_settings SET hopcount_limit = hopcount_limit + 1")

    def generations() -> set[int]:
        found = appliance.status()
        return {p["generation"] for p in found["processes"] if p["role"] in ("smtpd", "accessd")}

    wait_until(lambda: min(generations()) > before, seconds=5, what="smtpd and accessd run the new generation")


def test_a_second_one_on_the_same_home_is_refused_with_the_way_out(appliance):
    result = subprocess.run(
        [sys.executable, str(ROOT / "manage.py"), "appliance"],
        env=appliance.environment,
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )

    assert result.returncode == 1
    assert "running already" in result.stderr
    assert f"http://127.0.0.1:{appliance.ports.web}/admin/" in result.stderr
    assert "appliance stop" in result.stderr


def test_a_port_in_use_is_named_with_its_variable(appliance, tmp_path):
    result = subprocess.run(
        [sys.executable, str(ROOT / "manage.py"), "appliance"],
        env={**appliance.environment, "MAIL_HOME": str(tmp_path / "other")},
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )

    assert result.returncode == 1
    assert f"port {appliance.ports.smtp} on 127.0.0.1 is in use: set SMTP_PORT" in result.stderr
    assert f"port {appliance.ports.pg} on 127.0.0.1 is in use: set PG_PORT" in result.stderr


@pytest.mark.parametrize("role", sorted(ROLES))
def test_a_killed_process_comes_back(appliance, role):
    name, before = next(iter(appliance.pids(role).items()))

    os.kill(before, signal.SIGKILL)

    def is_back(processes: list[dict[str, Any]]) -> bool:
        found = {process["name"]: process for process in processes}[name]
        return found["state"] == "running" and found["pid"] not in (None, before) and found["restarts"] >= 1

    wait_until(lambda: is_back(appliance.children()), seconds=30, what=f"{role} is back")
    assert is_back(appliance.status()["processes"])
    assert not is_alive(before)


def test_after_all_of_that_everything_answers_again(appliance):
    def healthz() -> bool:
        result = subprocess.run(
            ["curl", "-s", "-o", "/dev/null", "-w", "%{http_code}", f"{appliance.url}/healthz"],
            capture_output=True,
            text=True,
            check=False,
        )
        return result.stdout == "200"

    wait_until(healthz, seconds=60, what="/healthz says 200")


def test_secrets_are_private_and_not_on_any_command_line(appliance):
    secrets = {
        name: (appliance.home / name).read_text().strip()
        for name in ("secret_key", "database_password", "redis_password", "admin_password")
    }

    for name in (*secrets, "environment", "tls/key.pem"):
        assert (appliance.home / name).stat().st_mode & 0o777 == 0o600, name
    for pid in appliance.pids().values():
        command_line = Path(f"/proc/{pid}/cmdline").read_bytes().decode()
        assert not [name for name, secret in secrets.items() if secret in command_line]


def test_postgresql_does_not_run_as_root(appliance):
    owner = Path(f"/proc/{appliance.pids()['postgres']}").stat().st_uid

    assert owner != 0


def test_it_is_quiet_when_nothing_happens(appliance):
    """The supervisor itself uses next to nothing: at most 2 % of a core over three seconds."""
    pid = json.loads((appliance.home / "run" / "appliance.json").read_text())["pid"]

    def ticks() -> int:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        return int(fields[11]) + int(fields[12])

    before = ticks()
    time.sleep(3)

    assert ticks() - before <= 6


# From here on the appliance of the module is stopped and started again; each of these leaves it running.


def test_stop_ends_everything_in_order_and_a_second_start_finds_it_as_it_was(appliance):
    assert appliance.api("PUT", "domains/kept.test", {"name": "kept.test", "kind": "local"}).status in (200, 201)
    pids = list(appliance.pids().values())
    password = appliance.admin_password

    assert appliance.stop(signal.SIGINT) == 0

    assert not [pid for pid in pids if is_alive(pid)]
    log = (appliance.home / "log" / "appliance.log").read_text()
    [*stopping] = re.finditer(r"accessd\S* +\| level=info event=stopping", log)
    assert stopping[-1].start() < log.index("database system is shut down")
    assert appliance.manage("appliance", "status", check=False).returncode == 3

    appliance.start()
    assert "Preparing" not in appliance.output
    assert appliance.admin_password == password
    assert appliance.api("GET", "domains/kept.test").status == 200


def test_a_second_start_takes_less_than_five_seconds(appliance):
    seconds = []

    # Other tests share the cores: the best of three counts, and on a crowded machine the work that was done.
    while not seconds or (seconds[-1] >= 5 and len(seconds) < 3):
        assert appliance.manage("appliance", "stop").stdout == "Stopped.\n"
        appliance.start()
        seconds.append(float(re.search(r"Mailkeep is up \(([\d.]+) s\)", appliance.output).group(1)))
    crowded = os.getloadavg()[0] > 1.5 * os.cpu_count()

    assert min(seconds) < 5 or (crowded and cpu_seconds(appliance) / os.cpu_count() < 5), seconds


def cpu_seconds(appliance: Appliance) -> float:
    """What its Python programs and their children have used so far."""
    ticks = 0
    for pid in appliance.pids().values():
        children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
        for each in (pid, *children):
            fields = Path(f"/proc/{each}/stat").read_text().rpartition(")")[2].split()
            ticks += int(fields[11]) + int(fields[12])
    return ticks / os.sysconf("SC_CLK_TCK")


def test_children_die_with_a_killed_supervisor_and_it_can_be_started_at_once(appliance):
    pids = list(appliance.pids().values())

    appliance.stop(signal.SIGKILL)
    appliance.start()

    assert not [pid for pid in pids if is_alive(pid)]
    assert appliance.status()["ready"]
