"""Password hashing at a cost that mail clients can bear: they log in all the time.

Django's argon2 defaults (100 MiB, 8 lanes) take some 200 ms of CPU for each hash here. These are the parameters
recommended by OWASP's password storage guide for argon2id: 19 MiB, two passes, one lane. Hashes made with other
parameters still work and are renewed at the next login through the browser.
"""

from __future__ import annotations

from django.contrib.auth.hashers import Argon2PasswordHasher


class MailArgon2PasswordHasher(Argon2PasswordHasher):
    """argon2id, 19 MiB, t=2, p=1."""

    time_cost = 2
    memory_cost = 19456
    parallelism = 1
