"""An LLM provider over real HTTP that says what a test tells it to.

Belongs here: the server. Does not belong here: a believable model (``sandbox/llm``), or any test.
"""

import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

Json = dict[str, Any]
Said = str | Json | int
"""A text, a JSON answer, or the status of a refusal."""


class ChatServer:
    """``say`` gets the user's message and gives the answer; ``asked`` has the bodies of all requests."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.asked: list[Json] = []
        self.say: Callable[[str], Said] = lambda _: 500

    @property
    def prompts(self) -> list[str]:
        return [body["messages"][-1]["content"] for body in self.asked]


@contextmanager
def chat_server() -> Iterator[ChatServer]:
    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = json.loads(self.rfile.read(int(self.headers["content-length"])))
            served.asked.append(body)
            said = served.say(body["messages"][-1]["content"])
            status = said if isinstance(said, int) else 200
            text = said if isinstance(said, str) else json.dumps(said, ensure_ascii=False)
            answer: Json = {
                "id": f"chat-{len(served.asked)}",
                "model": body["model"],
                "choices": [{"message": {"role": "assistant", "content": text}, "finish_reason": "stop"}],
                "usage": {"prompt_tokens": 1000, "completion_tokens": 100},
            }
            sent = json.dumps(answer if status == 200 else {"error": {"message": "no"}}).encode()
            self.send_response(status)
            self.send_header("content-type", "application/json")
            self.send_header("content-length", str(len(sent)))
            self.end_headers()
            self.wfile.write(sent)

        def log_message(self, format: str, *args: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    served = ChatServer(f"http://127.0.0.1:{server.server_port}/v1")
    thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    try:
        yield served
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
