"""How long a trial may take, and how long it may say nothing."""

from __future__ import annotations

import math
import time
from dataclasses import dataclass, field


@dataclass(frozen=True)
class Limits:
    """In seconds."""

    trial: float = math.inf
    silence: float = math.inf

    @classmethod
    def of(cls, trial: float | None, silence: float | None) -> Limits:
        """Return them; None: there is no limit."""
        return cls(trial or math.inf, silence or math.inf)


@dataclass
class Watch:
    """When a trial was given to a worker, and when it was heard of last; on the monotonic clock."""

    started: float = field(default_factory=time.monotonic)
    heard: float = field(default_factory=time.monotonic)

    def hear(self) -> None:
        """Note that it was heard of, or that it waited for us until now."""
        self.heard = time.monotonic()

    def too_late(self, limits: Limits) -> str | None:
        """Return which limit it is past; None: none."""
        now = time.monotonic()
        if now - self.started > limits.trial:
            return f"not done after {limits.trial:g} s, the limit: faults.trial_timeout"
        if now - self.heard > limits.silence:
            return f"reported nothing for {limits.silence:g} s, the limit: faults.silence_timeout"
        return None
