"""`python -m mailadmin.appliance.serve postgres|redis`: one of the embedded servers in a container or unit of its own.

Makes the data folder where there is none, then becomes the server (exec), so that signals reach it directly. Passwords
are read from files, and made where there are none: KEYS/database_password and KEYS/redis_password.
"""

import os
import sys
from pathlib import Path

from mailadmin.appliance.embedded import EmbeddedPostgres, EmbeddedValkey
from mailadmin.appliance.home import Home

# Whoever reaches the port has to know a password; initdb itself lets in only this machine.
EVERYBODY_WITH_A_PASSWORD = "host all all all scram-sha-256\n"


def main(arguments: list[str]) -> None:
    """Become the server."""
    if arguments not in (["postgres"], ["redis"]):
        sys.exit(__doc__)
    keys = Home(Path(os.environ.get("KEYS", "/keys")))
    folder, host = Path(os.environ["DATA"]), os.environ.get("LISTEN_ADDRESS", "127.0.0.1")
    if arguments == ["postgres"]:
        become_postgres(folder, host, keys.secret("database_password"))
    become_redis(folder, host, keys.secret("redis_password"))


def become_postgres(folder: Path, host: str, password: str) -> None:
    # The cluster is one level below, since a volume's own folder may hold a lost+found.
    server = EmbeddedPostgres(folder / "pg", int(os.environ.get("PG_PORT", "5440")), password, host=host)
    if not server.exists:
        server.initialise()
        with open(server.folder / "pg_hba.conf", "a", encoding="ascii") as file:
            file.write(EVERYBODY_WITH_A_PASSWORD)
    command = server.command()
    os.execve(command[0], command, server.environment())


def become_redis(folder: Path, host: str, password: str) -> None:
    server = EmbeddedValkey(folder / "valkey", int(os.environ.get("REDIS_PORT", "6390")), password, host=host)
    server.initialise()
    command = server.command()
    os.execv(command[0], command)


if __name__ == "__main__":
    main(sys.argv[1:])
