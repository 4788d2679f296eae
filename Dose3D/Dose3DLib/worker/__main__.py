"""`python -m Dose3DLib.worker --settings FILE --room DIR`."""

from Dose3DLib.worker.child import start

start()
