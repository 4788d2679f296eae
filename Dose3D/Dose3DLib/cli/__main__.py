"""`python -m Dose3DLib.cli` is `dose3d` without installation."""

import sys

from Dose3DLib.cli.main import main

sys.exit(main())
