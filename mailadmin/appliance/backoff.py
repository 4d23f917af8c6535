"""How long to wait before a child that ended is started again. Pure."""

FIRST_S = 0.2
LONGEST_S = 15.0
STABLE_AFTER_S = 20.0


class BackOff:
    """Doubles with every quick end, and begins anew after a run that lasted."""

    def __init__(self) -> None:
        self._next_s = FIRST_S

    def after_run_of(self, seconds: float) -> float:
        """The pause that follows a run of that many seconds."""
        if seconds >= STABLE_AFTER_S:
            self._next_s = FIRST_S
        pause, self._next_s = self._next_s, min(self._next_s * 2, LONGEST_S)
        return pause
