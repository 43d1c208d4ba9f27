"""Ctrl-C that falls into a callback of the garbage collector."""

import signal
import sys
import time
import weakref
from collections.abc import Callable, Iterator
from typing import Any

import dagster as dg
import pytest

from pipelines.cli.interrupts import heard_always


@pytest.fixture(autouse=True)
def as_in_a_terminal() -> Iterator[None]:
    """A shell's background job, as CI may be, ignores Ctrl-C."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


class Thing:
    """What can be collected."""


def collected(called: Callable[[Any], None]) -> None:
    thing = Thing()
    kept = weakref.ref(thing, called)
    del thing
    assert kept() is None


def interrupted(_: Any) -> None:
    signal.raise_signal(signal.SIGINT)


def test_it_is_said_again() -> None:
    before = sys.unraisablehook
    with pytest.raises(KeyboardInterrupt), heard_always():
        collected(interrupted)
        time.sleep(5)
    assert sys.unraisablehook is before


def test_it_is_said_again_to_a_step_of_dagster() -> None:
    with pytest.raises(dg.DagsterExecutionInterruptedError), heard_always(), dg.raise_execution_interrupts():
        collected(interrupted)
        time.sleep(5)


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
def test_other_trouble_in_a_callback_is_told_as_before() -> None:
    told: list[str] = []

    def broken(_: Any) -> None:
        raise ValueError("in a callback")

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sys, "unraisablehook", lambda lost: told.append(str(lost.exc_value)))
        with heard_always():
            collected(broken)
    assert told == ["in a callback"]
