"""`python -m mailadmin.appliance.probe WHAT`: exit code 0 when one component is well; for health checks of containers.

port NAME        somebody listens on the port that the environment variable NAME holds
web              the panel answers HTTP, whatever it says of the others
reported ROLE    a process of this role on this machine has reported within the last 15 s
"""

import http.client
import os
import socket
import sys

TIMEOUT_S = 5.0
REPORTED = """
SELECT count(*) FROM process_status WHERE role = %s AND host = %s AND seen_at > now() - interval '15 seconds'
"""


def main(arguments: list[str]) -> int:
    """Probe, and say why not."""
    probes = {("port", 2): port_answers, ("web", 1): web_answers, ("reported", 2): has_reported}
    probe = probes.get((arguments[0], len(arguments))) if arguments else None
    if probe is None:
        print(__doc__, file=sys.stderr)
        return 2
    try:
        probe(*arguments[1:])
    except Exception as error:
        # At the edge: whatever keeps it from answering is the answer.
        print(f"{' '.join(arguments)}: {error}", file=sys.stderr)
        return 1
    return 0


def port_answers(variable: str) -> None:
    socket.create_connection((_host(), int(os.environ[variable])), timeout=TIMEOUT_S).close()


def web_answers() -> None:
    connection = http.client.HTTPConnection(_host(), int(os.environ.get("WEB_PORT", "8000")), timeout=TIMEOUT_S)
    connection.request("GET", "/healthz")
    status = connection.getresponse().status
    connection.close()
    if status not in (200, 503):
        raise RuntimeError(f"HTTP {status}")


def has_reported(role: str) -> None:
    import psycopg

    with psycopg.connect(os.environ["DATABASE_URL"], connect_timeout=5) as connection:
        row = connection.execute(REPORTED, (role, socket.gethostname())).fetchone()
    if not row or not row[0]:
        raise RuntimeError("no report within 15 s")


def _host() -> str:
    listening = (os.environ.get("LISTEN_ADDRESS") or "127.0.0.1").split(",")[0].strip()
    return {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(listening, listening)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
