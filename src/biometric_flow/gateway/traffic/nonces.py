"""Which signed requests came already: a state machine without a clock."""


class Nonces:
    """Remembers each nonce for at least `seconds` and at most twice as long, in two generations."""

    def __init__(self, seconds: float) -> None:
        self._seconds, self._since = seconds, float("-inf")
        self._now: set[tuple[str, str]] = set()
        self._before: set[tuple[str, str]] = set()

    def is_new(self, key: str, nonce: str, now: float) -> bool:
        """Take a nonce of a key; False when it came before. Memory is bounded by the rates that stand in front."""
        if now - self._since >= self._seconds:
            self._before = self._now if now - self._since < 2 * self._seconds else set()
            self._now, self._since = set(), now
        seen = (key, nonce)
        if seen in self._now or seen in self._before:
            return False
        self._now.add(seen)
        return True
