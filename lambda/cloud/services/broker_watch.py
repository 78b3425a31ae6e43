"""Looks now and then how the broker is, and tells the operator what needs them."""

from __future__ import annotations

import logging

from cloud.adapters.emqx_api import EmqxFailed
from cloud.adapters.emqx_status import BrokerStatus
from cloud.core import broker_quota
from cloud.core.broker_quota import Finding
from cloud.core.cabinets import Incident
from cloud.services.clock import Clock
from cloud.stores.base import Ledger, LedgerUnavailable

log = logging.getLogger(__name__)

# More often than each day, so that a look while the hall is closed is not the only one.
PERIOD_MS = 6 * 3600 * 1000
# Sweeps in a row whose look failed, before that is told.
FAILURES = 3


class BrokerWatch:
    """Looks at the first sweep of a process and then every six hours. What is found more than
    once is told once: a day, or for the quota a month."""

    def __init__(self, ledger: Ledger, status: BrokerStatus, minutes: int, clock: Clock) -> None:
        self._ledger = ledger
        self._status = status
        self._minutes = minutes
        self._clock = clock
        self._due_ms = 0
        self._failed = 0

    def run(self) -> None:
        """Looks, if it is time; to be called after each sweep. Nothing is raised."""
        now_ms = self._clock.now_ms()
        if now_ms < self._due_ms:
            return
        try:
            for finding in self._look(now_ms):
                self._tell(finding)
        except LedgerUnavailable as error:
            log.warning("the broker is looked at in the next sweep: %s", error)
            return
        if not 0 < self._failed < FAILURES:
            self._due_ms = now_ms + PERIOD_MS
            self._failed = 0

    def _look(self, now_ms: int) -> list[Finding]:
        try:
            state = self._status.look()
        except EmqxFailed as error:
            self._failed += 1
            log.warning("how the broker is cannot be told: %s", error)
            told = broker_quota.unreachable(str(error), now_ms)
            return [told] if self._failed >= FAILURES else []
        self._failed = 0
        if state.status == broker_quota.STOPPED:
            return [broker_quota.stopped(now_ms)]
        found = [broker_quota.quota(state, self._minutes, now_ms)]
        if not state.connected:
            found.append(broker_quota.idle(self._newest_seen_ms(now_ms), now_ms))
        return [finding for finding in found if finding]

    def _newest_seen_ms(self, now_ms: int) -> int:
        newest = 0
        for cabinet in self._ledger.lagging_cabinets():
            presence = self._ledger.presence(cabinet.machine_id)
            newest = max(newest, presence.seen_at_ms if presence else 0)
            if broker_quota.is_recent(newest, now_ms):
                break
        return newest

    def _tell(self, finding: Finding) -> None:
        stamp = self._clock.stamp()
        self._ledger.insert(
            Incident(
                incident_id=finding.key,
                at_ms=stamp.at_ms,
                text=finding.text,
                write_id=stamp.write_id,
                todo=finding.todo,
            )
        )
