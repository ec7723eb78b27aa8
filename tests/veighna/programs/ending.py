"""An error ends the program: VeighNa's threads would go on."""

import os
import signal
import sys
import traceback


def _end(kind, error, trace):
    traceback.print_exception(kind, error, trace)
    sys.stderr.flush()
    os.kill(os.getpid(), signal.SIGKILL)


sys.excepthook = _end
