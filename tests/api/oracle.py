"""A model of two sentences, over the wire of an OpenAI-compatible provider.

It asks for one call of `pay` in every turn, and is content with whatever comes of it. Runs until it
is ended; prints nothing.

    oracle.py PORT
"""

import json
import sys
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

CALL = {"index": 0, "id": "call_0", "type": "function", "function": {"name": "pay", "arguments": '{"order":"42"}'}}


def chunks(question):
    """What is streamed back."""
    roles = [message["role"] for message in question["messages"]]
    is_first = roles[-1] == "user"
    delta = {"tool_calls": [CALL]} if is_first else {"content": "It is done."}
    for part, finish in ((delta, None), ({}, "tool_calls" if is_first else "stop")):
        choice = {"index": 0, "delta": part, "finish_reason": finish}
        yield {"id": "c", "object": "chat.completion.chunk", "created": 1, "model": "scripted", "choices": [choice]}


class Oracle(BaseHTTPRequestHandler):
    """Answers every question."""

    def do_POST(self):  # noqa: N802 (the name that http.server calls)
        question = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        body = "".join(f"data: {json.dumps(chunk)}\n\n" for chunk in chunks(question)) + "data: [DONE]\n\n"
        self.send_response(200)
        self.send_header("Content-Type", "text/event-stream")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body.encode())

    def log_message(self, *_):
        """Says nothing."""


if __name__ == "__main__":
    ThreadingHTTPServer(("127.0.0.1", int(sys.argv[1])), Oracle).serve_forever()
