"""`python -m Dose3DLib.worker --settings FILE --room DIR`."""

import os
import sys

from Dose3DLib.worker.child import main

code = main()
sys.stdout.flush()
sys.stderr.flush()
os._exit(code)  # threads and exit handlers of libraries may hang; the outcome is written and the code must agree
