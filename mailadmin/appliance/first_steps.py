"""`python -m mailadmin.appliance.first_steps`: what the appliance does before Django, for containers and units.

Makes $MAIL_HOME with its folders, the secret key, the certificate and bin/sendmail's file, and waits for the database,
which it creates in a server that has none.
"""

import os
import sys
import time

import psycopg

from mailadmin.appliance.certificate import ensure_certificate
from mailadmin.appliance.command import write_sendmail_file
from mailadmin.appliance.configuration import Configuration
from mailadmin.appliance.home import Home, keys_home

DATABASE_WITHIN_S = 120.0


def main() -> int:
    """Do it. Returns the exit code."""
    configuration = Configuration.from_environment()
    home = Home(configuration.home)
    home.make()
    keys_home(configuration.home).secret("secret_key", 50)
    names = [f"mail.{configuration.domain}", configuration.domain]
    ensure_certificate(configuration.tls_cert, configuration.tls_key, names)
    write_sendmail_file(configuration)
    try:
        wait_for_database(configuration.database_url)
    except psycopg.Error as error:
        print(f"The database does not answer: {error}", file=sys.stderr)
        return 1
    return 0


def wait_for_database(url: str) -> None:
    """Return when one can log in. Raises psycopg.Error after two minutes."""
    deadline = time.monotonic() + DATABASE_WITHIN_S
    while True:
        try:
            psycopg.connect(url, connect_timeout=5).close()
            return
        except psycopg.OperationalError as error:
            if "does not exist" in str(error):
                create_database(url)
            elif time.monotonic() > deadline:
                raise
        time.sleep(0.5)


def create_database(url: str) -> None:
    """Make the database that the URL names."""
    server, _, name = url.rpartition("/")
    with psycopg.connect(f"{server}/postgres", autocommit=True, connect_timeout=5) as connection:
        connection.execute(psycopg.sql.SQL("CREATE DATABASE {}").format(psycopg.sql.Identifier(name)))


if __name__ == "__main__":
    os.umask(0o077)
    sys.exit(main())
