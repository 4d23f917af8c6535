"""What can be said of every load, and of every load that sends."""

from __future__ import annotations

import argparse


def common_options() -> argparse.ArgumentParser:
    """Where the server is, who its users are, what is measured.

    A new object for each subcommand: argparse shares the actions of a parent, so one subcommand's set_defaults() would
    change the others.
    """
    common = argparse.ArgumentParser(add_help=False)
    common.add_argument("--host", default="127.0.0.1")
    common.add_argument("--smtp-port", type=int, default=3525)
    common.add_argument("--imap-port", type=int, default=3143)
    common.add_argument("--pop3-port", type=int, default=3110)
    common.add_argument("--user-pattern", default="user{}@bench.test", help="{} is the number (default: %(default)s)")
    common.add_argument("--password", default="secret")
    common.add_argument("--first-user", type=int, default=0)
    common.add_argument("--users", type=int, default=20, help="how many users to spread over (default: 20)")
    common.add_argument("--server-pid", type=int, action="append", help="measure this process and its descendants")
    common.add_argument("--label", default="", help="copied to the result")
    common.add_argument("--no-uvloop", action="store_true")
    return common


def sending_options() -> argparse.ArgumentParser:
    """The same, and what is sent how."""
    sending = argparse.ArgumentParser(add_help=False, parents=[common_options()])
    add = sending.add_argument
    add("-s", "--sessions", type=int, default=20, help="concurrent connections (default: 20)")
    add("-m", "--messages", type=int, default=2000)
    add("-l", "--size", type=int, default=4096, help="body bytes, header not counted (default: 4096)")
    add("-r", "--recipients", type=int, default=1, help="recipients of each message (default: 1)")
    add("-k", "--per-connection", type=int, default=1, help="messages on one connection (default: 1)")
    add("--pipeline", action="store_true", help="MAIL, RCPT and DATA in one write if offered")
    add("--sender", default="sender@example.org")
    add("--recipient", default="", help="instead of the users, e.g. r{}@relay.test")
    add("--auth", action="store_true", help="AUTH PLAIN as the users")
    add("--timeout", type=float, default=60, help="longest wait for delivery (default: 60)")
    add("--poll", type=float, default=0.05)
    return sending
