"""Run the command line: `python -m liveavatar_nb.cli`."""

import sys

from .main import main

sys.exit(main())
