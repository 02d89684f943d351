"""minifcn: Fully Convolutional Networks from scratch, on NumPy and CuPy."""

import signal
import sys
from os.path import basename

__version__ = "0.1.0"

# A command that is still loading has nothing to tidy up: Ctrl-C ends it at once, where a KeyboardInterrupt would come
# out of the middle of an import. `command.reports_errors` hears it from then on. Who imports minifcn keeps his handler.
_started = getattr(sys, "argv", None) or [""]
_is_command = _started[0] == "-m" or basename(_started[0]).partition(".")[0] == "minifcn"
if _is_command and signal.getsignal(signal.SIGINT) is signal.default_int_handler:
    signal.signal(signal.SIGINT, signal.SIG_DFL)
