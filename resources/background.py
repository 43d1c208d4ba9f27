"""Writing to a company's store behind somebody who must not wait: an answer is given first, and what is kept of it after.

Belongs here: a queue, its thread, trying again while a store is busy, and the end of a process. Does not belong here: what is
written (``query/recommendations``, ``llm/question_budget``).
"""

import atexit
import logging
import threading
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Generic, TypeVar

from domain.company import CompanyId
from domain.errors import CasebookError, InputError
from resources.companies import Companies
from resources.storage.sql import SqlCompanyStore

_LOG = logging.getLogger(__name__)
_PAUSE, _LONGEST_PAUSE = 0.5, 5.0
PATIENCE = 40.0
"""Seconds that the end of a process waits for what is not written yet: longer than a store lets a writer wait."""

Item = TypeVar("Item")


class BackgroundWriter(Generic[Item]):
    """Writes what it is given for any company, in order, in a thread that lives while something waits. What the end of the
    process finds unwritten is written first, ``PATIENCE`` seconds at most.

    ``write`` may be called again with what it was given before: it must not write that twice. After ``tries`` failures, for a
    company that was removed, and beyond ``most_waiting``, items are dropped, counted in ``dropped`` and told in the log.
    """

    def __init__(
        self,
        name: str,
        write: Callable[[SqlCompanyStore, Sequence[Item]], None],
        tries: int = 5,
        most_waiting: int = 10_000,
    ) -> None:
        self._name, self._write, self._tries, self._most_waiting = name, write, tries, most_waiting
        self._changed = threading.Condition()
        self._waiting: dict[Path, list[Item]] = {}
        """By the company's folder, which is one in a process; what is being written is still among it."""
        self._companies: dict[Path, tuple[Companies, CompanyId]] = {}
        self._failures: dict[Path, int] = {}
        self._thread: threading.Thread | None = None
        self._is_registered = False
        self.dropped = 0

    def keep(self, companies: Companies, company: CompanyId, item: Item) -> None:
        """Write it, soon. Waits for no store and never raises."""
        place = companies.settings.company_folder(company)
        with self._changed:
            if sum(map(len, self._waiting.values())) >= self._most_waiting:
                self._drop(1, "too many wait to be written")
                return
            self._waiting.setdefault(place, []).append(item)
            self._companies[place] = companies, company
            if not self._is_registered:
                self._is_registered = True
                atexit.register(self.close)
            if self._thread is None:
                self._thread = threading.Thread(target=self._work, name=self._name, daemon=True)
                self._thread.start()

    def waiting(self, companies: Companies, company: CompanyId) -> list[Item]:
        """What is not in the company's store yet, in order."""
        with self._changed:
            return list(self._waiting.get(companies.settings.company_folder(company), ()))

    def close(self, seconds: float = PATIENCE) -> bool:
        """Wait until nothing waits any more; whether all there ever was is written. Can be used again afterwards."""
        with self._changed:
            return self._changed.wait_for(lambda: not self._waiting, seconds) and not self.dropped

    def _work(self) -> None:
        while True:
            with self._changed:
                if not self._waiting:
                    self._thread = None
                    return
                taken = {place: list(items) for place, items in self._waiting.items()}
            for place, items in taken.items():
                self._try(place, items)
            if worst := max(self._failures.values(), default=0):
                time.sleep(min(_PAUSE * worst, _LONGEST_PAUSE))

    def _try(self, place: Path, items: Sequence[Item]) -> None:
        companies, company = self._companies[place]
        why, is_over = "", False
        try:
            companies.get(company)  # one that was removed meanwhile gets no new store
            with companies.store(company) as store:
                self._write(store, items)
        except InputError as error:
            why, is_over = error.title, True
        except CasebookError as error:
            why = error.title
        except Exception as error:  # the thread must live on; what it says may hold a question, its kind does not
            why = type(error).__name__
        with self._changed:
            failures = self._failures.pop(place, 0) + 1
            if why and not is_over and failures < self._tries:
                self._failures[place] = failures
                return
            if why:
                self._drop(len(items), why)
            del self._waiting[place][: len(items)]
            if not self._waiting[place]:
                del self._waiting[place], self._companies[place]
            self._changed.notify_all()

    def _drop(self, count: int, why: str) -> None:
        self.dropped += count
        _LOG.warning("%s: %d were not kept: %s", self._name, count, why)
