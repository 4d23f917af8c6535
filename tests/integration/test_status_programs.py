"""The probe of /healthz against the real programs: they answer, and nobody reads of it in a log."""

import asyncio

import psycopg
import pytest

from mailadmin.status.ports import parse_ports, troubles
from tests.fixtures_servers import wait_until
from tests.integration.imap_server import imap_process_of_module, imap_server
from tests.integration.smtp_server import smtp_server

__all__ = ["imap_process_of_module", "imap_server", "smtp_server"]


def probe(ports, times=1):
    async def all_of_them():
        return [await troubles(ports, 2.0) for _ in range(times)]

    return asyncio.run(all_of_them())


@pytest.mark.parametrize("program", ["smtpd", "accessd"])
def test_all_ports_answer_and_no_log_says_so(smtp, imap, program):
    server = smtp if program == "smtpd" else imap
    with psycopg.connect(server.database_url) as conn:
        query = "SELECT listening FROM process_status WHERE role = %s"
        wait_until(lambda: conn.execute(query, (program,)).fetchall(), what="it reports itself")
        ports = parse_ports(conn.execute(query, (program,)).fetchone()[0])
    log = server.home / "log" / program
    said = log.read_text()

    found = probe(ports, times=5)

    assert found == [dict.fromkeys(ports, "")] * 5
    assert len(ports) == 3
    assert log.read_text() == said


def test_the_maillog_has_no_line_of_it(smtp):
    maillog = smtp.home / "log" / "maillog"
    probe(parse_ports([f"mx 127.0.0.1:{smtp.port}", f"submissions 127.0.0.1:{smtp.submissions_port}"]), times=3)
    client = smtp.hello()
    client.say(b"QUIT")

    # Whoever came before the one that is in the log would be in it, too.
    wait_until(lambda: maillog.exists() and "disconnect from localhost" in maillog.read_text(), what="it is written")

    assert maillog.read_text().count(" connect from ") == 1
