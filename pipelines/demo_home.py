"""The demo's own home, its sandbox and its workbooks: its companies never mix with yours."""

import socket
from datetime import UTC, datetime
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from domain.errors import InputError
from resources.settings import REPOSITORY, Settings

if TYPE_CHECKING:
    from resources.companies import Companies
    from sandbox.serve import Sandbox

COMPANIES = ("hanbit", "acme")
USUAL_PORT = 8500


def demo_settings() -> Settings:
    """Settings whose home is ``data/demo`` in the repository; beside it when rows go to a database."""
    name = "demo" if Settings().storage == "file" else "demo-postgres"
    return Settings(home=REPOSITORY / "data" / name)


def refuse_others(companies: "Companies") -> None:
    """Raise ``InputError`` when the storage holds companies that are not the demo's: it begins by removing its own."""
    others = [company.id for company in companies.list() if not company.endpoint.startswith("http://127.0.0.1:")]
    if others:
        raise InputError(
            "the demo needs a storage of its own.",
            f"{companies.storage.place} holds {', '.join(others)}.",
            "Unset CASEBOOK_STORAGE, or name an empty database.",
        )


def demo_sandbox(settings: Settings) -> "Sandbox":
    """The sandbox of the demo: where its companies expect it, else on the usual port, else on a free one."""
    from resources.companies import Companies
    from sandbox.serve import Sandbox

    expected = [urlsplit(company.endpoint).port for company in Companies(settings).list()]
    port = next((port for port in (*expected, USUAL_PORT) if port and is_free(port)), 0)
    return Sandbox(COMPANIES, port=port)


def workbook_of(settings: Settings, company: str, sandbox: "Sandbox") -> str:
    """A sample company's workbook: Hanbit's is shared in the sandbox's Google Sheets, Acme's is an .xlsx file in the home,
    made anew."""
    if company == "hanbit":
        return sandbox.sheet_url(company)
    from domain.workbook_layout import LAYOUTS, TITLE
    from resources.workbook.base import Overwrite, Plan
    from resources.workbook.charts import CHARTS
    from resources.workbook.xlsx import XlsxWorkbook
    from sandbox import workbooks

    path = settings.root / f"{company}-{TITLE}.xlsx"
    path.unlink(missing_ok=True)
    book = XlsxWorkbook(path)
    book.create(Plan(TITLE, LAYOUTS, CHARTS))
    book.write([Overwrite(name, rows[1:]) for name, rows in workbooks.tabs(company, datetime.now(UTC).date()).items()])
    book.close()
    return str(path)


def is_free(port: int) -> bool:
    """Whether nothing listens on a port of this machine."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True


def refuse_taken(port: int) -> None:
    """Raise ``InputError`` when something listens on a port of this machine already."""
    if not is_free(port):
        raise InputError(
            f"port {port} is in use.", remedy="Stop what listens there, or choose another one with --port."
        )
