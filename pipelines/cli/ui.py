"""``casebook ui``: the Dagster UI and its daemon, started by a person."""

import os
import signal
import socket
import subprocess
import sys
from typing import Annotated

import typer

from domain.errors import InputError
from pipelines.cli.output import out


def ui(
    port: Annotated[int, typer.Option(min=1, max=65535, help="Where the UI listens, on this machine only.")] = 3000,
    demo: Annotated[bool, typer.Option("--demo", help="Show the demo's home instead of yours.")] = False,
) -> None:
    """Open the Dagster UI with its daemon, which starts the nightly syncs. Ctrl-C stops both."""
    from pipelines.demo_home import demo_settings
    from pipelines.instance import prepare
    from resources.settings import REPOSITORY, Settings

    settings = demo_settings() if demo else Settings()
    prepare(settings)
    refuse_taken(port)
    out.print(f"Dagster UI: http://127.0.0.1:{port}  (home {settings.root}; Ctrl-C stops it)")
    command = [
        sys.executable,
        "-m",
        "dagster",
        "dev",
        "-w",
        str(REPOSITORY / "workspace.yaml"),
        "-h",
        "127.0.0.1",
        "-p",
        str(port),
    ]
    environment = {**os.environ, "PYTHONWARNINGS": "ignore", "PYTHONPATH": str(REPOSITORY)}
    with subprocess.Popen(command, env=environment, cwd=settings.root) as process:
        signal.signal(signal.SIGTERM, lambda *_: process.send_signal(signal.SIGINT))
        try:
            code = process.wait()
        except KeyboardInterrupt:
            process.send_signal(signal.SIGINT)
            process.wait()
            return
    raise typer.Exit(code)


def refuse_taken(port: int) -> None:
    """Raise ``InputError`` when something listens on a port of this machine already."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            raise InputError(
                f"port {port} is in use.", remedy="Stop what listens there, or choose another one with --port."
            ) from None
