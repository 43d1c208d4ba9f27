"""Every error that a person can see, as one tree.

Belongs here: exceptions that carry what went wrong, and the remedy, in words for the person who must act.
Does not belong here: catching or printing them (``pipelines/cli``), or retry policies (``resources/http``).

    CasebookError              one clear line and a remedy; exit 1
    ├── InputError             the person's input is wrong; exit 2
    ├── SourceError            an outside system failed or refused
    │   ├── SourceRefused      permanent: asking again will not help (401, 403, 400)
    │   └── SourceUnavailable  passing: retries are used up, a later run may succeed
    │       └── SourceUnreachable  it never answered: the address may be wrong; exit 2
    ├── DocumentError          one document cannot be processed; it waits in the queue, the rest goes on
    ├── CompanyBusy            another run holds the company's lock
    └── StorageError           the store is damaged, full, or cannot be written
        └── StorageUnavailable passing: the database does not answer; the same command goes on later
"""


class CasebookError(Exception):
    """A failure told in one line: ``title``, the ``detail`` that names thing and value, and the ``remedy``."""

    exit_code = 1

    def __init__(self, title: str, detail: str = "", remedy: str = "") -> None:
        super().__init__(title)
        self.title = title
        self.detail = detail
        self.remedy = remedy

    def __str__(self) -> str:
        return " ".join(part for part in (self.title, self.detail, self.remedy) if part)


class InputError(CasebookError):
    """The person's input is wrong. Nothing was done."""

    exit_code = 2


class SourceError(CasebookError):
    """A helpdesk, workbook or model provider failed or refused."""


class SourceRefused(SourceError):
    """The source refuses for good: a wrong key, a missing right, a request it will never take."""

    exit_code = 2


class SourceUnavailable(SourceError):
    """The source did not answer in time, or kept failing; what was fetched is kept, a later run goes on."""


class SourceUnreachable(SourceUnavailable):
    """Nothing answers at the source's address, which may be a wrong one."""

    exit_code = 2


class DocumentError(CasebookError):
    """One document cannot be processed. It goes to the queue with this reason; the others go on."""


class CompanyBusy(CasebookError):
    """Another run holds this company's lock."""


class StorageError(CasebookError):
    """The store is damaged, full, or cannot be written."""

    exit_code = 2


class StorageUnavailable(StorageError):
    """The database cannot be reached, or the connection broke; what was committed is kept, a later run goes on."""

    exit_code = 1
