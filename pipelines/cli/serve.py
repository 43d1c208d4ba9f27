"""``casebook serve``, and the keys of those who may ask it: ``casebook company api-key``."""

from typing import Annotated

import typer

from domain.errors import InputError
from pipelines.cli.output import Json, err, out, print_json


def serve(
    host: Annotated[
        str, typer.Option(help="The address it listens at; others than this machine's need a proxy.")
    ] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=0, max=65535, help="The port; 0: any free one.")] = 8400,
) -> None:
    """Answer questions over HTTP: /v1/COMPANY/ask and /v1/COMPANY/search, a key for each company. Ctrl-C stops it."""
    import socket

    import uvicorn

    from query.service import create_app
    from resources.companies import Companies
    from resources.settings import Settings

    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family) as listening:
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            listening.bind((host, port))
        except OSError as error:
            raise InputError(
                f"nothing can listen at {host}:{port}.", f"{error.strerror}.", "Choose another --host or --port."
            ) from None
        listening.listen(128)
        name = f"[{host}]" if ":" in host else host
        app = create_app(Companies(Settings()))
        # No access log: an address may hold a question.
        config = uvicorn.Config(
            app, access_log=False, log_level="warning", server_header=False, timeout_graceful_shutdown=30
        )
        err.print(f"Casebook answers at http://{name}:{listening.getsockname()[1]}  (Ctrl-C stops it)")
        uvicorn.Server(config).run(sockets=[listening])


def api_key(
    id: Annotated[str, typer.Argument(help="The company.")],
    rotate: Annotated[bool, typer.Option("--rotate", help="Make another one; the one before ends at once.")] = False,
    remove: Annotated[bool, typer.Option("--remove", help="Remove it: the service answers nobody for it.")] = False,
    json: bool = Json,
) -> None:
    """Make the key with which a chat bot asks 'casebook serve' for a company. It is shown once, and kept as a hash."""
    from resources.api_keys import drop_key, has_key, make_key
    from resources.companies import Companies
    from resources.settings import Settings

    registry = Companies(Settings())
    company = registry.get(id)
    if rotate and remove:
        raise InputError("say one of --rotate and --remove.")
    if remove:
        drop_key(registry, company)
        key = ""
    else:
        if has_key(registry, company) and not rotate:
            raise InputError(
                f"company {company.id!r} has a key.",
                "It is kept as a hash and cannot be shown.",
                "Use --rotate for another.",
            )
        key = make_key(registry, company)
    if json:
        print_json({"company": company.id, "key": key})
    elif key:
        out.print(key, soft_wrap=True)
        err.print("Keep it: it is shown only now. Send it as 'Authorization: Bearer KEY'.")
    else:
        out.print(f"The key of {company.id} is removed.")
