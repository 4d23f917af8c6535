"""One program of the appliance as it runs on a machine of another name: python named_node.py NAME MODULE ARGUMENTS...

Containers and machines have names of their own; the processes of a test share one, so the name is said here.
"""

from __future__ import annotations

import runpy
import socket
import sys

if __name__ == "__main__":
    name, module = sys.argv[1:3]
    sys.argv[1:3] = []
    socket.gethostname = lambda: name
    runpy.run_module(module, run_name="__main__", alter_sys=True)
