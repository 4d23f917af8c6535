#!/usr/bin/env python3
"""The entry point of everything that is run by hand: Django's commands, and `appliance`, which runs all processes.

`appliance` is answered before Django is loaded: Django's settings need the database and the keys that it makes first.
"""

import os
import sys


def main(arguments: list[str]) -> None:
    """Run one command line."""
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "mailadmin.settings")
    if arguments[1:2] == ["appliance"]:
        from mailadmin.appliance.command import main as appliance

        sys.exit(appliance(arguments[2:]))
    from mailadmin.appliance.home import load_environment

    load_environment()
    from django.core.management import execute_from_command_line

    execute_from_command_line(arguments)


if __name__ == "__main__":
    main(sys.argv)
