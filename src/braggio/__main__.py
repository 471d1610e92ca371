"""``python -m braggio``."""

import sys

from braggio.cli import main

sys.exit(main())
