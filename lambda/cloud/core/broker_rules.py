"""What a broker's accounts may do, as the table in docs/protocol.md says, for every broker."""

from __future__ import annotations

from dataclasses import dataclass

READ, WRITE = "read", "write"

CABINET = (("coinpulse", READ), ("payment", READ), ("gameover", READ), ("status", WRITE))
CLOUD = (("coinpulse", WRITE), ("payment", WRITE), ("gameover", WRITE))


@dataclass(frozen=True)
class Rule:
    """One line: ``topic`` may be read or written; with ``allow`` false, neither."""

    topic: str
    action: str
    allow: bool = True


def of_cabinet(level: str) -> tuple[Rule, ...]:
    """What a cabinet's account may do. ``level`` is its ``machine_id``, or what the broker puts the
    account's name in the place of."""
    return tuple(Rule(f"arcade/machine/{level}/{kind}", action) for kind, action in CABINET)


def of_cloud() -> tuple[Rule, ...]:
    """What the cloud's account may do."""
    return tuple(Rule(f"arcade/machine/+/{kind}", action) for kind, action in CLOUD)


# EMQX allows what no rule names, so its last rule is this one.
DENY_ALL = Rule("#", "all", allow=False)
