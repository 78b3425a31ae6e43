"""What ``python -m cloud.admin`` runs: the operator's commands of :mod:`cloud.cli.admin`."""

from __future__ import annotations

import sys

from cloud.cli.admin import main

if __name__ == "__main__":
    sys.exit(main())
