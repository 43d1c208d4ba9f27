"""Real Redis servers for tests: alone, with TLS, three as a cluster; killed, hung and started again.

Belongs here: starting and hurting servers. Does not belong here: any test, or what a cache should do then.
"""

import os
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any, Self

import pytest
from redis import Redis
from redis.exceptions import RedisError

PASSWORD = "p@ss/wörd:?#"  # each of these would break an address that is put together carelessly
PASSWORD_IN_URL = "p%40ss%2Fw%C3%B6rd%3A%3F%23"
_BINARY = shutil.which("redis-server")
_PATIENCE = 20.0

needs_redis = pytest.mark.skipif(
    _BINARY is None,
    reason="THE SHARED CACHE IS NOT TESTED: no redis-server on this machine (apt-get install redis-server)",
)


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


class RedisServer:
    """One server on loopback, with a password, that stores nothing. Killed at the end of the ``with`` block.

    ``lines`` are added to its configuration; with ``tls``, the folder of ``make_authority``, it speaks TLS only.
    """

    def __init__(self, folder: Path, *lines: str, tls: Path | None = None) -> None:
        self.folder = folder
        self.port = free_port()
        self._authority = tls / "ca.pem" if tls else None
        listen = f"port {self.port}"
        if tls:
            listen = f"port 0\ntls-port {self.port}\ntls-cluster yes\ntls-auth-clients no"
            lines += (
                f"tls-cert-file {tls}/server.pem",
                f"tls-key-file {tls}/server.key",
                f"tls-ca-cert-file {tls}/ca.pem",
            )
        self._config = "\n".join(
            (
                *("bind 127.0.0.1", listen, f"dir {folder}", f'requirepass "{PASSWORD}"', f'masterauth "{PASSWORD}"'),
                *('save ""', "appendonly no", "daemonize no", "logfile redis.log", *lines),
            )
        )
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        place = f":{PASSWORD_IN_URL}@127.0.0.1:{self.port}"
        return f"rediss://{place}?ssl_ca_certs={self._authority}" if self._authority else f"redis://{place}"

    def admin(self) -> Redis:
        """A plain client, for looking at what the server holds."""
        return Redis.from_url(self.url, protocol=2, socket_timeout=5)

    def start(self) -> None:
        """Start it, again after a kill, and wait until it answers."""
        self.folder.mkdir(parents=True, exist_ok=True)
        assert _BINARY is not None
        self._process = subprocess.Popen([_BINARY, "-"], stdin=subprocess.PIPE, stdout=subprocess.DEVNULL)
        assert self._process.stdin is not None
        with self._process.stdin as stdin:
            stdin.write(self._config.encode())
        end = time.monotonic() + _PATIENCE
        with self.admin() as admin:
            while True:
                try:
                    admin.ping()
                    return
                except (RedisError, OSError):
                    log = self.folder / "redis.log"
                    assert self._process.poll() is None, log.read_text() if log.exists() else "it ended at once"
                    assert time.monotonic() < end, "it does not answer"
                    time.sleep(0.02)

    def kill(self) -> None:
        """SIGKILL; what it held is gone, as it stores nothing."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None

    def hang(self) -> None:
        """SIGSTOP: connections are taken by the system, and nobody answers."""
        self._signal(signal.SIGSTOP)

    def go_on(self) -> None:
        self._signal(signal.SIGCONT)

    def _signal(self, number: signal.Signals) -> None:
        assert self._process is not None
        os.kill(self._process.pid, number)

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.kill()


@contextmanager
def redis_cluster(folder: Path, nodes: int = 3, tls: Path | None = None) -> Iterator[Sequence[RedisServer]]:
    """A Redis Cluster of this many nodes, ready for commands. One lost node does not stop the others."""
    with ExitStack() as stack:
        servers: list[RedisServer] = []
        for number in range(nodes):
            cluster = ("cluster-enabled yes", "cluster-node-timeout 1000", "cluster-require-full-coverage no")
            bus = free_port()
            server = RedisServer(folder / f"node{number}", *cluster, f"cluster-port {bus}", tls=tls)
            servers.append(stack.enter_context(server))
            with server.admin() as admin:
                first, last = 16384 * number // nodes, 16384 * (number + 1) // nodes - 1
                admin.execute_command("CLUSTER", "ADDSLOTSRANGE", first, last)
                admin.execute_command("CLUSTER", "SET-CONFIG-EPOCH", number + 1)
            if number:
                with servers[0].admin() as admin:
                    admin.execute_command("CLUSTER", "MEET", "127.0.0.1", server.port, bus)
        _wait_until_agreed(servers)
        yield servers


def _wait_until_agreed(servers: Sequence[RedisServer]) -> None:
    """Until every node knows where every slot is."""
    end = time.monotonic() + _PATIENCE
    for server in servers:
        with server.admin() as admin:
            while True:
                state: Any = admin.execute_command("CLUSTER INFO")
                if state["cluster_state"] == "ok" and state["cluster_slots_ok"] == "16384":
                    break
                assert time.monotonic() < end, state
                time.sleep(0.02)
