"""Ctrl-C that would be lost.

Belongs here: saying it again. Does not belong here: what an interrupted command prints, or its exit code (``app``).
"""

import os
import signal
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager

_SOON = 0.05
"""Seconds: the callback is over by then."""
_INTERRUPTS = ("KeyboardInterrupt", "DagsterExecutionInterruptedError")


@contextmanager
def heard_always() -> Iterator[None]:
    """Python raises an interrupt wherever it is, also in a callback of the garbage collector (SQLAlchemy has thousands in a
    sync's first second), where every exception is told and dropped: the command went on as if nobody had pressed a key. Such
    an interrupt is said again (``sys.unraisablehook``). Dagster's own is known by its name: to import it takes a second."""
    before = sys.unraisablehook

    def say_again(lost: "sys.UnraisableHookArgs") -> None:
        if lost.exc_type.__name__ in _INTERRUPTS:
            threading.Timer(_SOON, os.kill, (os.getpid(), signal.SIGINT)).start()
        else:
            before(lost)

    sys.unraisablehook = say_again
    try:
        yield
    finally:
        sys.unraisablehook = before
