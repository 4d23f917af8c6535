"""Large blocks go back to the system as soon as they are free, from whichever thread."""

import subprocess
import sys

# On each of eight threads twice 19 MiB, as a password hash takes them: the first free() is what glibc learns from.
PROGRAM = """
import ctypes, re, threading
from mailcore.memory import give_back_large_blocks
{call}
library = ctypes.CDLL(None)
library.malloc.restype, library.free.argtypes = ctypes.c_void_p, [ctypes.c_void_p]
ready = threading.Barrier(8)
def work():
    for _ in range(2):
        block = library.malloc(19 << 20)
        ctypes.memset(block, 1, 19 << 20)
        ready.wait()
        library.free(block)
    ready.wait()
threads = [threading.Thread(target=work) for _ in range(8)]
for thread in threads:
    thread.start()
for thread in threads:
    thread.join()
print(int(re.search(r"VmRSS:\\s+(\\d+)", open("/proc/self/status").read())[1]) >> 10)
"""


def resident_mib(call: str) -> int:
    return int(subprocess.check_output([sys.executable, "-c", PROGRAM.format(call=call)], text=True))


def test_threads_keep_no_large_blocks():
    assert resident_mib("assert give_back_large_blocks()") < 40
    assert resident_mib("") > 100
