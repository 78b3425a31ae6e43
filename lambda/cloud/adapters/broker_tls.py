"""TLS towards the broker: who may answer, and no socket that is left open.

Imported with the first connection: most calls of the cloud make none.
"""

from __future__ import annotations

import ssl


class BrokerContext(ssl.SSLContext):
    """Makes the sockets of one client, one at a time, and closes the one before.

    Paho leaves a socket whose handshake failed to the garbage collector.
    """

    _last: ssl.SSLSocket | None = None

    def wrap_socket(self, *args: object, **kwargs: object) -> ssl.SSLSocket:
        self.close_last()
        self._last = super().wrap_socket(*args, **kwargs)  # type: ignore[arg-type]
        return self._last

    def close_last(self) -> None:
        """Closes the last socket, if it is open."""
        if self._last is not None:
            self._last.close()
            self._last = None


def context(ca_file: str) -> BrokerContext:
    """A context that checks certificate and name, against ``ca_file`` or, if empty, the system's
    list. Raises OSError if the file holds no certificate.
    """
    made = BrokerContext(ssl.PROTOCOL_TLS_CLIENT)
    made.minimum_version = ssl.TLSVersion.TLSv1_2
    if ca_file:
        made.load_verify_locations(ca_file)
    else:
        made.load_default_certs()
    return made
