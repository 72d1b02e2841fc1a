"""``python -m ttscale`` is the ``ttscale`` command."""

from __future__ import annotations

import sys

from ttscale.cli import main

if __name__ == "__main__":
    sys.exit(main())
