"""All accounts on one port: the application, the ``Sandbox`` that tests use, and the command line.

Belongs here: putting the parts together, starting and stopping. Does not belong here: any answer's content.
Imports that take time happen in the functions, so that a command line can name this module for free.
"""

import contextlib
import os
import re
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Self

import typer

if TYPE_CHECKING:
    import uvicorn
    from starlette.applications import Starlette

    from sandbox.account import Account
    from sandbox.llm_account import LlmAccount

HOST = "127.0.0.1"
LLMS = ("one", "two")
"""The LLM accounts that are served where none are named."""
_NAME = re.compile(r"[A-Za-z0-9_-]+")


def accounts(
    companies: Sequence[str] | None = None,
    files: Mapping[str, Path] | None = None,
    generated: Mapping[str, int] | None = None,
    *,
    all_status: str | None = None,
    plan: str = "none",
    minute_seconds: float = 60.0,
    page_cap: int = 300,
    custom: bool = False,
    vast: Mapping[str, int] | None = None,
) -> "dict[str, Account]":
    """The accounts to serve: sample companies (all, when nothing else is named), files, made-up ones.

    ``vast`` are accounts whose tickets are computed. ``custom`` gives each statuses and ticket fields of its own. Raises
    ``ValueError`` or ``OSError`` for what is not there or cannot be read.
    """
    from sandbox import corpus, generate, solutions
    from sandbox import files as made_files
    from sandbox.account import Account
    from sandbox.limits import PLANS, Budget
    from sandbox.vast import VastWorld
    from sandbox.world import World

    if plan not in PLANS:
        raise ValueError(f"no plan {plan!r}; there are {', '.join(PLANS)}")
    if companies is None:
        companies = () if files or generated or vast else corpus.names()
    named = [*companies, *(files or {}), *(generated or {}), *(vast or {})]
    for name in named:
        if not _NAME.fullmatch(name) or named.count(name) > 1:
            raise ValueError(f"account {name!r}: a name has letters, digits, '-' or '_', and is used once")

    def sample(name: str) -> corpus.Helpdesk:
        desk = corpus.load(name)
        desk.articles = solutions.read(corpus.COMPANIES / name / "solutions")
        desk.files = made_files.read(corpus.COMPANIES / name / "files.json")
        return desk

    sources: dict[str, Callable[[], corpus.Helpdesk]] = {name: partial(sample, name) for name in companies}
    sources |= {name: partial(generate.from_file, name, path, all_status) for name, path in (files or {}).items()}
    sources |= {name: partial(generate.helpdesk, name, count) for name, count in (generated or {}).items()}

    worlds: dict[str, Callable[[], World]] = {
        name: partial(lambda source: World(source(), page_cap=page_cap, custom=custom), source)
        for name, source in sources.items()
    }
    worlds |= {name: partial(VastWorld, name, count, page_cap=page_cap) for name, count in (vast or {}).items()}
    return {name: Account(make, Budget(PLANS[plan], minute_seconds)) for name, make in worlds.items()}


def llm_accounts(names: Sequence[str]) -> "dict[str, LlmAccount]":
    """The LLM providers to serve. Raises ``ValueError`` for a name that cannot stand in an address."""
    from sandbox.llm_account import LlmAccount

    for name in names:
        if not _NAME.fullmatch(name):
            raise ValueError(f"LLM account {name!r}: a name has letters, digits, '-' or '_'")
    return {name: LlmAccount(name) for name in names}


def application(served: "dict[str, Account]", llms: "dict[str, LlmAccount]") -> "Starlette":
    """The ASGI application: the APIs, the files behind signed addresses, the admin doors."""
    from starlette.applications import Starlette
    from starlette.requests import Request
    from starlette.responses import Response
    from starlette.routing import Mount, Route

    from sandbox import attachments, downloads
    from sandbox.admin import admin
    from sandbox.confluence import Confluence
    from sandbox.freshdesk import Freshdesk
    from sandbox.google import Google
    from sandbox.llm import Llm
    from sandbox.spoil import LOGIN
    from sandbox.zendesk import Zendesk

    async def hidden(request: Request) -> Response:
        return await admin(request, served)

    async def file(request: Request) -> Response:
        return await downloads.download(request, served)

    async def login(request: Request) -> Response:
        return Response(LOGIN, media_type="text/html")

    async def picture(request: Request) -> Response:
        return Response(attachments.PICTURE, media_type="image/png")

    return Starlette(
        routes=[
            Route("/login", login),
            Mount("/{company}/api/v2", app=Freshdesk(served)),
            Mount("/zendesk/{company}/api/v2", app=Zendesk(served)),
            Mount("/llm/{account}", app=Llm(llms)),
            Mount("/google", app=Google()),
            Mount("/confluence/{company}", app=Confluence()),
            Route("/{company}/admin/{action}", hidden, methods=["GET", "POST"]),
            Route("/{company}/attachments/{attachment:int}/original/{name}", file),
            Route("/{company}/inline/attachment", picture),
        ]
    )


def server(app: "Starlette") -> "uvicorn.Server":
    """An HTTP server that lets the application reach its connections, which faults need."""
    import uvicorn
    from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

    class Protocol(HttpToolsProtocol):
        def on_message_begin(self) -> None:
            super().on_message_begin()
            self.scope["sandbox.transport"] = self.transport  # type: ignore[typeddict-unknown-key]

    return uvicorn.Server(
        uvicorn.Config(
            app,
            http=Protocol,
            ws="none",
            lifespan="off",
            log_level="critical",
            access_log=False,
            server_header=False,
            date_header=False,  # the answers have their own, which may be wrong on purpose
            proxy_headers=False,
            timeout_graceful_shutdown=1,
        )
    )


def listen(port: int) -> socket.socket:
    """A listening socket on this machine only; port 0 takes a free one. Raises ``OSError`` when it is taken."""
    # With the protocol named, asyncio switches Nagle's delay off for the connections accepted here.
    listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((HOST, port))
        listener.listen(512)
    except OSError:
        listener.close()
        raise
    return listener


class Sandbox:
    """A sandbox that runs while the ``with`` block does: in a thread, or for measurements in a process of its own.

    >>> with Sandbox(generated={"made": 50}) as sandbox:
    ...     sandbox.url("made"), sandbox.key("made")
    """

    def __init__(
        self,
        companies: Sequence[str] | None = None,
        files: Mapping[str, Path] | None = None,
        generated: Mapping[str, int] | None = None,
        *,
        port: int = 0,
        process: bool = False,
        llm: Sequence[str] = LLMS,
        **options: Any,
    ) -> None:
        """What is served, and the ``options`` that go with it, are those of ``accounts``; ``llm`` names LLM accounts."""
        self.port = port
        if process:
            arguments = [*_arguments(companies, files, generated, options), *(f"--llm={name}" for name in llm)]
            self._running = _in_process(arguments, port)
        else:
            served = accounts(companies, files, generated, **options)
            self._running = in_thread(application(served, llm_accounts(llm)), port)

    def __enter__(self) -> Self:
        self.port = self._running.__enter__()
        return self

    def __exit__(self, *failure: Any) -> None:
        self._running.__exit__(*failure)

    def url(self, company: str, platform: str = "freshdesk") -> str:
        """What a client takes for ``https://ACCOUNT.freshdesk.com`` or, with "zendesk", ``https://ACCOUNT.zendesk.com``."""
        return f"http://{HOST}:{self.port}/{'zendesk/' if platform == 'zendesk' else ''}{company}"

    def user(self, company: str) -> str:
        """An agent's address, which Zendesk wants beside the key."""
        return f"agent1@{company}.example.com"

    def key(self, company: str) -> str:
        return f"{company}-key"

    def llm_url(self, account: str, style: str = "openai") -> str:
        """What a client takes for ``https://api.openai.com/v1``; with "azure", for ``https://RES.openai.azure.com``."""
        return f"http://{HOST}:{self.port}/llm/{account}{'' if style == 'azure' else '/v1'}"

    @property
    def google_url(self) -> str:
        """Where Google's APIs are: the setting ``google_url``."""
        return f"http://{HOST}:{self.port}/google"

    def sheet_url(self, company: str) -> str:
        """The address of the company's spreadsheet, as a person copies it."""
        return f"{self.google_url}/spreadsheets/d/1{company}-sheet-000000000000000000000/edit#gid=0"

    def google_key(self, company: str) -> str:
        """The JSON of the service account that the sheet is shared with."""
        return self.google_admin(company, "key")["key"]

    def google_admin(self, company: str, action: str, **given: Any) -> Any:
        """The admin actions of a company's sheet (``google_admin``)."""
        reads = not given and action in ("key", "log", "sheet")
        return self._admin(self.google_url, f"{company}/{action}", given, reads=reads)

    def wiki_url(self, company: str) -> str:
        """A company's Confluence: the setting ``regulation_site``."""
        return f"http://{HOST}:{self.port}/confluence/{company}/wiki"

    def wiki_key(self, company: str) -> str:
        """What reads it, as email:token."""
        return f"{self.user(company)}:{self.key(company)}"

    def wiki_admin(self, company: str, action: str, **given: Any) -> Any:
        """The admin actions of a company's Confluence (``confluence``)."""
        return self._admin(self.wiki_url(company).removesuffix("/wiki"), action, given, reads=action == "log")

    def admin(self, company: str, action: str, **given: Any) -> Any:
        """Do an admin action; one that only reads takes no arguments. Raises ``ValueError`` with the reason."""
        reads = not given and action in ("truth", "log", "stories", "clock")
        return self._admin(self.url(company), action, given, reads=reads)

    def llm_admin(self, account: str, action: str, **given: Any) -> Any:
        """The same for an LLM account, whose key is ``key(account)``."""
        reads = not given and action in ("log", "requests", "batches")
        return self._admin(self.llm_url(account, "azure"), action, given, reads=reads)

    def _admin(self, url: str, action: str, given: Mapping[str, Any], *, reads: bool) -> Any:
        import json
        from urllib.error import HTTPError
        from urllib.request import Request, urlopen

        body = None if reads else json.dumps(given).encode()
        request = Request(f"{url}/admin/{action}", body, method="GET" if reads else "POST")  # noqa: S310
        try:
            with urlopen(request) as answer:  # noqa: S310
                return json.load(answer)
        except HTTPError as refused:
            with refused:
                raise ValueError(json.load(refused)["error"]) from None


@contextlib.contextmanager
def in_thread(app: "Starlette", port: int = 0) -> Iterator[int]:
    """Run an application in a thread of this process; yields the port."""
    listener = listen(port)
    running = server(app)
    thread = threading.Thread(target=running.run, args=([listener],), daemon=True, name="sandbox")
    thread.start()
    while not running.started:
        if not thread.is_alive():
            raise RuntimeError("the sandbox did not start")
        time.sleep(0.002)
    try:
        yield listener.getsockname()[1]
    finally:
        running.should_exit = True
        thread.join()
        listener.close()


@contextlib.contextmanager
def _in_process(arguments: Sequence[str], port: int) -> Iterator[int]:
    """Run ``python -m sandbox``, which prints its address when it is ready; yields the port."""
    here = {
        "PYTHONPATH": os.pathsep.join([str(Path(__file__).parents[1]), *filter(None, [os.environ.get("PYTHONPATH")])])
    }
    command = [sys.executable, "-m", "sandbox", "--port", str(port), *arguments]
    with subprocess.Popen(command, env=os.environ | here, stdout=subprocess.PIPE, text=True) as child:  # noqa: S603
        assert child.stdout is not None
        try:
            said = next((line for line in child.stdout if line.startswith(_READY)), None)
            if said is None:
                raise RuntimeError(f"the sandbox did not start: exit {child.wait()}")
            yield int(said.removeprefix(_READY).split()[0])
        finally:
            child.terminate()


def _arguments(
    companies: Sequence[str] | None,
    files: Mapping[str, Path] | None,
    generated: Mapping[str, int] | None,
    options: Mapping[str, Any],
) -> list[str]:
    """The command line that says the same as the arguments of ``accounts``."""
    said = [f"--company={name}" for name in companies or ()]
    said += [f"--account={name}={path}" for name, path in (files or {}).items()]
    said += [f"--generate={name}={count}" for name, count in (generated or {}).items()]
    said += [f"--vast={name}={count}" for name, count in (options.get("vast") or {}).items()]
    for name, value in options.items():
        if name == "vast":
            continue
        option = f"--{name.replace('_', '-')}"
        said += [option] if value is True else [] if value in (None, False) else [f"{option}={value}"]
    return said


_READY = f"sandbox ready on http://{HOST}:"


def _pairs(given: Sequence[str], option: str, form: str) -> dict[str, str]:
    pairs = [(name, value) for name, _, value in (pair.partition("=") for pair in given)]
    for pair, (name, value) in zip(given, pairs, strict=True):
        if not (name and value) or (form == "NAME=COUNT" and not value.isdecimal()):
            raise ValueError(f"{option} takes {form}, not {pair!r}")
    return dict(pairs)


def command(
    port: Annotated[int, typer.Option(help="Port on 127.0.0.1; 0 takes a free one.")] = 8500,
    company: Annotated[
        list[str] | None, typer.Option(metavar="NAME", help="A sample company; repeat for more. All, by default.")
    ] = None,
    account: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NAME=FILE", help="Serve the Freshdesk tickets of a .jsonl or .jsonl.gz file as account NAME."
        ),
    ] = None,
    generate: Annotated[
        list[str] | None,
        typer.Option(metavar="NAME=COUNT", help="Make up COUNT tickets and serve them as account NAME."),
    ] = None,
    vast: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NAME=COUNT", help="Serve COUNT tickets that are computed on the fly, millions if need be."
        ),
    ] = None,
    all_status: Annotated[
        str | None, typer.Option(metavar="STATUS", help="Give every ticket of the files this status, e.g. closed.")
    ] = None,
    plan: Annotated[
        str,
        typer.Option(
            metavar="NAME",
            help="Rate limit: none, free, growth, pro, enterprise, zendesk-team, -professional, -enterprise, -high-volume.",
        ),
    ] = "none",
    minute_seconds: Annotated[float, typer.Option(help="How long a minute of the rate limit lasts.")] = 60.0,
    page_cap: Annotated[int, typer.Option(help="Pages of tickets that can be listed before 400.")] = 300,
    custom: Annotated[
        bool, typer.Option("--custom", help="Give the accounts statuses and fields of their own.")
    ] = False,
    llm: Annotated[
        list[str] | None,
        typer.Option(metavar="NAME", help="An LLM account; repeat for more. 'one' and 'two', by default."),
    ] = None,
) -> None:
    """Serve sample helpdesks that answer like Freshdesk's and Zendesk's API v2, on this machine only.

    Point a Freshdesk client at http://127.0.0.1:PORT/COMPANY with the key COMPANY-key, a Zendesk client at
    http://127.0.0.1:PORT/zendesk/COMPANY as agent1@COMPANY.example.com with the same key, an OpenAI client at
    http://127.0.0.1:PORT/llm/one/v1 with the key one-key. Ctrl-C stops it.

    To test a connector, serve an account ('--generate big=5000 --plan pro'),
    let the connector read everything, move the account behind its back, let it
    read again, and compare with the truth. POST a JSON body, no key needed, to
    http://127.0.0.1:PORT/big/admin/ACTION:

    \b
      faults   {"rate": 0.05, "kinds": ["500", "reset", "cut", "html", "storm"]}
      churn    {"edit_every": 3, "delete_every": 7}   while it reads
      edit     {"count": 100, "what": "text"}    or delete, merge, rate, attach
      options  {"denied": ["ticket_fields"], "missing": ["solutions"]}
      clock    {"advance": 86400}
      truth    {"checksum": true}    or GET: all tickets, articles, ratings
      log      GET: what was asked, what it cost

    All actions, faults and addresses: docs/sandbox.md. In Python:
    "from sandbox.serve import Sandbox".
    """
    try:
        served = accounts(
            company,
            {name: Path(path) for name, path in _pairs(account or [], "--account", "NAME=FILE").items()},
            {name: int(count) for name, count in _pairs(generate or [], "--generate", "NAME=COUNT").items()},
            all_status=all_status,
            plan=plan,
            minute_seconds=minute_seconds,
            page_cap=page_cap,
            custom=custom,
            vast={name: int(count) for name, count in _pairs(vast or [], "--vast", "NAME=COUNT").items()},
        )
        llms = llm_accounts(llm or LLMS)
        listener = listen(port)
    except (ValueError, OSError) as wrong:
        typer.echo(f"sandbox: {_reason(wrong, port)}", err=True)
        raise typer.Exit(2) from None
    port = listener.getsockname()[1]
    for name, one in served.items():
        typer.echo(f"http://{HOST}:{port}/{name}  key {one.world.key}  {len(one.world.tickets)} tickets")
    for name, provider in llms.items():
        typer.echo(f"http://{HOST}:{port}/llm/{name}/v1  key {provider.key}  an LLM that is none")
    typer.echo(f"{_READY}{port} (Ctrl-C stops it)")
    sys.stdout.flush()
    with contextlib.suppress(KeyboardInterrupt):
        server(application(served, llms)).run([listener])
        return
    raise typer.Exit(130)


def _reason(wrong: Exception, port: int) -> str:
    import errno

    if isinstance(wrong, OSError) and wrong.errno == errno.EADDRINUSE:
        return f"port {port} is in use; give another with --port, or 0 for any free one"
    if isinstance(wrong, OSError) and wrong.filename:
        return f"{wrong.filename}: {wrong.strerror}"
    return str(wrong)


def main() -> None:
    typer.run(command)
