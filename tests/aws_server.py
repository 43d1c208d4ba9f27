"""AWS Secrets Manager (moto's) on a real port, which boto3 reaches through its own environment variables.

Belongs here: starting it, and putting secrets into it. Does not belong here: any test.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import boto3
import requests
from moto.server import ThreadedMotoServer

REGION = "eu-west-1"


@dataclass(frozen=True)
class AwsServer:
    """``environment``: what boto3 needs to reach it."""

    url: str

    @property
    def environment(self) -> dict[str, str]:
        return {
            "AWS_ENDPOINT_URL_SECRETS_MANAGER": self.url,
            "AWS_REGION": REGION,
            "AWS_ACCESS_KEY_ID": "test",
            "AWS_SECRET_ACCESS_KEY": "test",
        }

    def client(self, service: str = "secretsmanager", region: str = REGION) -> Any:
        """An administrator's client."""
        return boto3.session.Session("test", "test", region_name=region).client(service, endpoint_url=self.url)

    def put(self, name: str, text: str) -> str:
        """Store a secret, or another value of it. Gives its ARN."""
        client = self.client()
        try:
            return client.create_secret(Name=name, SecretString=text)["ARN"]
        except client.exceptions.ResourceExistsException:
            return client.put_secret_value(SecretId=name, SecretString=text)["ARN"]

    def check_rights(self, after: float) -> None:
        """Look at credentials and policies from the so many-th request on."""
        requests.post(f"{self.url}/moto-api/reset-auth", data=str(after), timeout=10).raise_for_status()

    def empty(self) -> None:
        """Forget everything, and let everybody in."""
        self.check_rights(float("inf"))
        requests.post(f"{self.url}/moto-api/reset", timeout=10).raise_for_status()


@contextmanager
def aws_server() -> Iterator[AwsServer]:
    server = ThreadedMotoServer("127.0.0.1", 0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    try:
        yield AwsServer(f"http://{host}:{port}")
    finally:
        server.stop()
