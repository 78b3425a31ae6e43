"""The embedded broker's own process: ``python broker_process.py CONFIG``.

rumqttd cannot be stopped from inside its process, so it gets one. It ends with its standard input,
so it never outlives the sandbox, however that ends.
"""

from __future__ import annotations

import os
import resource
import sys
import threading

from iotcore import Broker


def _end_with_parent() -> None:
    sys.stdin.buffer.read()
    os._exit(0)


def main(config: str) -> None:
    """Runs the broker that the rumqttd configuration file ``config`` describes."""
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))  # one for each connection
    threading.Thread(target=_end_with_parent, daemon=True).start()
    Broker(config_path=config).run_forever()


if __name__ == "__main__":
    main(sys.argv[1])
