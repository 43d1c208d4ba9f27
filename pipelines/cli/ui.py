"""``casebook ui``: the Dagster UI and its daemon, started by a person."""

import os
import signal
import subprocess
import sys
from typing import Annotated

import typer

from pipelines.cli.output import out


def ui(
    port: Annotated[int, typer.Option(min=1, max=65535, help="Where the UI listens, on this machine only.")] = 3000,
    demo: Annotated[bool, typer.Option("--demo", help="Show the demo's home instead of yours.")] = False,
) -> None:
    """Open the Dagster UI with its daemon, which starts the nightly syncs. Ctrl-C stops both."""
    from contextlib import ExitStack

    from pipelines.demo_home import demo_sandbox, demo_settings, refuse_taken
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
    outside = demo_sandbox(settings) if demo else None  # the demo's syncs need someone to answer
    # A shell starts what it sends to the background with SIGINT ignored, and so would the children be.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    with ExitStack() as stack:
        if outside:
            environment["CASEBOOK_GOOGLE_URL"] = stack.enter_context(outside).google_url
        process = stack.enter_context(subprocess.Popen(command, env=environment, cwd=settings.root))
        signal.signal(signal.SIGTERM, lambda *_: process.send_signal(signal.SIGINT))
        try:
            code = process.wait()
        except KeyboardInterrupt:
            process.send_signal(signal.SIGINT)
            process.wait()
            return
    raise typer.Exit(code)
