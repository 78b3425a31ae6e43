"""The cloud as its settings are now: those from Parameter Store are read again every few minutes.

So a key that was rotated needs no deployment. What cannot be read again, or is wrong, changes
nothing: the cloud goes on with what it has.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Mapping

from cloud.adapters.parameter_store import ParametersUnavailable
from cloud.parameter_path import is_kept_elsewhere
from cloud.settings import Settings, SettingsError
from cloud.wiring import Cloud, build, read_settings

log = logging.getLogger(__name__)

READ_AGAIN_S = 300.0
TRY_AGAIN_S = 60.0


class CurrentCloud:
    """Builds the cloud when it is first asked for; not for use by several threads at once, which
    Lambda does not do. ``clock`` is that of the wall, which goes on while a machine is frozen."""

    def __init__(
        self,
        environment: Mapping[str, str],
        clock: Callable[[], float] = time.time,
        make: Callable[[Settings], Cloud] = build,
    ) -> None:
        self._environment = environment
        self._clock = clock
        self._make = make
        self._rereads = is_kept_elsewhere(environment)
        self._settings: Settings | None = None
        self._cloud: Cloud | None = None
        self._read_at = 0.0
        self._wait = READ_AGAIN_S

    def get(self) -> Cloud:
        """The cloud; raises :class:`SettingsError` or :class:`ParametersUnavailable` as long as
        there is none."""
        if self._cloud is None:
            settings = read_settings(self._environment)
            self._cloud = self._make(settings)
            self._settings = settings
            self._read_at, self._wait = self._clock(), READ_AGAIN_S
        elif self._rereads and not 0 <= self._clock() - self._read_at < self._wait:
            self._read_again(self._cloud)
        return self._cloud

    def _read_again(self, before: Cloud) -> None:
        self._read_at, self._wait = self._clock(), TRY_AGAIN_S
        try:
            settings = read_settings(self._environment)
        except (SettingsError, ParametersUnavailable) as error:
            log.warning(
                "the settings could not be read again, those from before are kept: %s", error
            )
            return
        self._wait = READ_AGAIN_S
        if settings == self._settings:
            return
        self._cloud = self._make(settings)
        self._settings = settings
        before.close()
        log.info("the settings have changed, and are in force now")
