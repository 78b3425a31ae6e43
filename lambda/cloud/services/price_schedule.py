"""Which price list a cabinet has at a moment, by the clock on its hall's wall."""

from __future__ import annotations

import logging
from datetime import datetime, tzinfo

from cloud.core import happy_hours
from cloud.core.cabinets import Cabinet
from cloud.core.happy_hours import Local
from cloud.core.prices import PriceList

log = logging.getLogger(__name__)


class UnknownZone(Exception):
    """There is no time zone of that name."""


def zone_of(name: str) -> tzinfo:
    """The time zone of that name, as in ``Europe/Berlin``; raises :class:`UnknownZone`."""
    # Late: most cabinets have no happy hours, and a cold start is short.
    from zoneinfo import ZoneInfo

    try:
        return ZoneInfo(name)
    except (OSError, ValueError, KeyError) as error:
        raise UnknownZone(
            f"{name!r} is no time zone: take one as Europe/Berlin or America/New_York"
        ) from error


def local_in(zone: tzinfo) -> Local:
    """What the clock on the wall says at a moment."""
    return lambda at_ms: datetime.fromtimestamp(at_ms / 1000, zone)


def prices(cabinet: Cabinet, at_ms: int) -> PriceList:
    """The cabinet's price list at that moment."""
    local = _local(cabinet)
    if local is None:
        return cabinet.prices
    return happy_hours.prices_at(cabinet.prices, cabinet.happy_hours, local(at_ms))


def next_change_ms(cabinet: Cabinet, now_ms: int, until_ms: int) -> int | None:
    """When a happy hour of the cabinet begins or ends next; ``None`` if none does until then."""
    local = _local(cabinet)
    if local is None:
        return None
    return happy_hours.next_change_ms(cabinet.happy_hours, now_ms, until_ms, local)


def _local(cabinet: Cabinet) -> Local | None:
    if not cabinet.happy_hours:
        return None
    try:
        return local_in(zone_of(cabinet.time_zone))
    except UnknownZone as error:
        # It was known when it was stored. A cabinet without happy hours sells all the same.
        log.error("%s has no happy hours now: %s", cabinet.machine_id, error)
        return None
