"""The loads that load.py puts on a mail server, one module each, and what they share.

A load has `options()`, a parser of what may be said of it, and `run(args)`. The clients know no more of their protocol
than answers can be timed with: the generator shares the machine with the server. Standard library only.
"""
