#!/usr/bin/env python3
"""Publishes an event straight to NATS: the second door, from another language and without our code.

    .tools/venv/bin/python examples/publish.py nats://127.0.0.1:4222 orders my-session 'Where is order 42?'

The subject says which trigger and which session: event.<trigger>.<session>, the session 1 to 64
characters of A-Z a-z 0-9 _ -. To share a session with HTTP callers, use its token:
`cuepoint session-token STRING`.
"""

import asyncio
import json
import sys

import nats


async def main(url: str, trigger: str, session: str, text: str) -> None:
    client = await nats.connect(url)
    try:
        stored = await client.jetstream().publish(
            f"event.{trigger}.{session}",
            json.dumps({"text": text}).encode(),
            headers={"Content-Type": "application/json"},
        )
        print(f"stored in {stored.stream} as {stored.seq}")
    finally:
        await client.close()


if __name__ == "__main__":
    if len(sys.argv) != 5:
        sys.exit(f"usage: {sys.argv[0]} NATS_URL TRIGGER SESSION TEXT")
    asyncio.run(main(*sys.argv[1:]))
