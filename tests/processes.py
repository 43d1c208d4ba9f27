"""Real processes that tests start, listen to, and kill.

They are forked from a server that has our modules loaded, so each starts in some milliseconds and a test can kill many.
"""

import multiprocessing
import os
import signal
from collections.abc import Callable, Mapping
from typing import Any, Self

CONTEXT = multiprocessing.get_context("forkserver")
CONTEXT.set_forkserver_preload(
    ["pytest", "resources.company_run", "resources.published", "resources.vector_index.edge", "resources.workbook.xlsx"]
)
PATIENCE = 30.0


class Child:
    """Runs ``work(say, *arguments)`` in a process of its own; what it ``say``s is heard here. Killed at the end of the
    ``with`` block. ``work`` must be a function of a module."""

    def __init__(self, work: Callable[..., None], *arguments: Any) -> None:
        self._ear, mouth = CONTEXT.Pipe(duplex=False)
        self._process = CONTEXT.Process(target=_run, args=(mouth, dict(os.environ), work, arguments), daemon=True)
        self._process.start()
        mouth.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.kill()
        self._ear.close()

    def hear(self) -> Any:
        """The next thing it says. Fails when it ends, or is silent for long."""
        assert self._ear.poll(PATIENCE), "the process says nothing"
        try:
            return self._ear.recv()
        except EOFError:
            self._process.join()
            raise AssertionError(f"the process ended with {self._process.exitcode}") from None

    def kill(self) -> None:
        """SIGKILL: no handler runs, no buffer is flushed."""
        self._process.kill()
        self._process.join()

    @property
    def was_killed(self) -> bool:
        return self._process.exitcode == -signal.SIGKILL


def ask(work: Callable[..., None], *arguments: Any) -> Any:
    """What ``work`` says first, in a process of its own."""
    with Child(work, *arguments) as child:
        return child.hear()


def _run(mouth: Any, environment: Mapping[str, str], work: Callable[..., None], arguments: tuple[Any, ...]) -> None:
    # The server keeps the environment of the moment when it was started: of whichever test came first.
    os.environ.clear()
    os.environ.update(environment)
    work(mouth.send, *arguments)
