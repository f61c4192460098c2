#!/usr/bin/env python3
"""Publishes events straight to NATS and follows what comes of them. docs/publishing.md explains each step.

    pip install 'nats-py[nkeys]'
    publisher.py token order-42
    publisher.py publish --trigger orders --job 42 --key my.key --session order-42 --text 'Where is order 42?'
    publisher.py follow RECEIPT
"""

import argparse
import asyncio
import base64
import hashlib
import hmac
import json
import ssl
import sys
import time
from pathlib import Path

import nats

# All tries together stay far inside the two minutes in which the broker knows a repeat.
TRIES, ANSWER_SECONDS, PAUSE_SECONDS = 5, 2, 0.25
LOOK_SECONDS = 0.25
# The steps of a record by their numbers in cuepoint/v1/record.proto.
STEPS = {16: "started", 17: "resumed", 18: "intents", 19: "outcomes", 20: "checkpoint", 21: "received", 22: "suspended"}
STEPS |= {24: "completed", 25: "failed", 26: "cancelled", 27: "merged", 28: "noted"}
ENDS = {"completed", "failed", "cancelled", "noted"}


def session_token(string: str) -> str:
    """The token by which callers over HTTP and direct publishers share a session."""
    return base64.urlsafe_b64encode(hashlib.sha256(string.encode()).digest()).decode()[:22]


def message_id(key_file: str, job: str) -> str:
    """The id under which the broker knows a repeat: nobody without the key can guess it."""
    key = Path(key_file).read_bytes().rstrip()
    if len(key) < 16:
        sys.exit(f"{key_file} holds fewer than 16 bytes")
    return hmac.new(key, job.encode(), hashlib.sha256).hexdigest()


async def complain(error: Exception) -> None:
    print(f"nats: {error}", file=sys.stderr)


async def connect(options: argparse.Namespace) -> nats.NATS:
    tls = ssl.create_default_context(cafile=options.ca) if options.ca else None
    if tls and options.cert:
        tls.load_cert_chain(options.cert, options.cert_key)
    return await nats.connect(
        options.nats,
        nkeys_seed=options.nkey,
        tls=tls,
        inbox_prefix=options.inbox,
        max_reconnect_attempts=5,
        error_cb=complain,
        name="publisher",
    )


async def publish(client: nats.NATS, options: argparse.Namespace) -> None:
    id = message_id(options.key, options.job)
    # A job has the same session at every try. One that names none has a session of its own.
    token = options.token or session_token(options.session or options.email or id)
    subject = f"event.{options.trigger}.{token}"
    envelope = {"text": options.text, "session": options.session}
    envelope["contact"] = {"email": options.email} if options.email else None
    envelope["payload"] = json.loads(options.payload) if options.payload else None
    body = json.dumps({name: value for name, value in envelope.items() if value is not None}).encode()
    headers = {"Content-Type": "application/json", "Nats-Msg-Id": id}
    if options.traceparent:
        headers["traceparent"] = options.traceparent
    for attempt in range(TRIES):
        try:
            stored = await client.jetstream().publish(subject, body, timeout=ANSWER_SECONDS, headers=headers)
            break
        except (TimeoutError, nats.js.errors.NoStreamResponseError):
            # It may be stored all the same; the id makes a second try harmless.
            await asyncio.sleep(PAUSE_SECONDS * 2**attempt)
    else:
        sys.exit(f"not confirmed after {TRIES} tries: run the same job again")
    epoch = stored.stream.removeprefix("EVENTS_")
    receipt = f"evt.{options.trigger}.{token}.{epoch}.{stored.seq}"
    print(json.dumps({"receipt": receipt, "duplicate": bool(stored.duplicate)}))


def fields(message: bytes) -> dict[int, int | bytes]:
    """The fields of a protobuf message by their numbers: whole numbers, and the bytes of everything else."""
    found, at = {}, 0

    def number() -> int:
        nonlocal at
        value = shift = 0
        while True:
            byte, at = message[at], at + 1
            value, shift = value | (byte & 127) << shift, shift + 7
            if byte < 128:
                return value

    while at < len(message):
        key = number()
        if key & 7 == 0:
            found[key >> 3] = number()
        else:
            size = {1: 8, 5: 4}.get(key & 7) or number()
            found[key >> 3], at = message[at : at + size], at + size
    return found


async def records(client: nats.NATS, subject: str, deadline: float):
    """All records of a session, oldest first, and then each as it is stored."""
    jetstream, seen = client.jsm(), 0
    while time.monotonic() < deadline:
        try:
            # The next of this subject: a read that changes nothing, and can be made again after any failure.
            message = await jetstream.get_msg("LOG", seq=seen + 1, subject=subject, next=True, direct=True)
            seen = message.seq
            yield message.data
        except nats.js.errors.NotFoundError:
            await asyncio.sleep(LOOK_SECONDS)
        except (TimeoutError, nats.errors.Error) as error:
            print(f"reading on: {error or 'no answer'}", file=sys.stderr)
            await asyncio.sleep(LOOK_SECONDS)


async def follow(client: nats.NATS, options: argparse.Namespace) -> bool:
    _, trigger, token, epoch, event = options.receipt.split(".")
    is_merged = False
    async for data in records(client, f"log.{trigger}.{token}", time.monotonic() + options.wait):
        record = fields(data)
        is_ours = (record.get(2), record.get(6)) == (epoch.encode(), int(event))
        number = next((number for number in STEPS if number in record), None)
        # An event that was merged ends with the next turn of its session that ends.
        if number is None or not (is_ours or is_merged):
            continue
        step, content = STEPS[number], fields(record[number])
        told = {"step": step}
        if step == "completed":
            told["reply"] = content.get(2, b"").decode()
        if step == "failed":
            told |= {"code": content.get(2, b"").decode(), "message": content.get(3, b"").decode(), "dead": bool(content.get(4))}
        if step == "cancelled":
            told["reason"] = content.get(2, b"").decode()
        print(json.dumps(told), flush=True)
        is_merged |= step == "merged"
        if step in ENDS:
            return step == "completed"
    sys.exit(f"no end after {options.wait:g} s; an event of an unknown trigger has none: see `cuepoint dead list`")


def arguments() -> argparse.Namespace:
    connection = argparse.ArgumentParser(add_help=False)
    connection.add_argument("--nats", metavar="URL", default="nats://127.0.0.1:4222")
    connection.add_argument("--nkey", metavar="FILE", help="file with the nkey seed of this user")
    connection.add_argument("--ca", metavar="FILE", help="root certificates; TLS is then required")
    connection.add_argument("--cert", metavar="FILE", help="certificate of this user, where the broker asks for one")
    connection.add_argument("--cert-key", metavar="FILE", help="key of that certificate")
    connection.add_argument("--inbox", metavar="PREFIX", default="_INBOX", help="where answers may come")
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    commands = parser.add_subparsers(dest="command", required=True)
    commands.add_parser("token").add_argument("string")
    event = commands.add_parser("publish", parents=[connection])
    event.add_argument("--trigger", required=True)
    event.add_argument("--job", metavar="ID", required=True, help="the same for each try, another for each event")
    event.add_argument("--key", metavar="FILE", required=True, help="file with this publisher's own secret")
    for name in ["session", "token", "text", "payload", "email", "traceparent"]:
        event.add_argument(f"--{name}")
    result = commands.add_parser("follow", parents=[connection])
    result.add_argument("receipt")
    result.add_argument("--wait", metavar="SECONDS", type=float, default=30)
    return parser.parse_args()


async def main() -> int:
    options = arguments()
    if options.command == "token":
        print(session_token(options.string))
        return 0
    client = await connect(options)
    try:
        if options.command == "publish":
            await publish(client, options)
            return 0
        return 0 if await follow(client, options) else 1
    except nats.js.errors.APIError as error:
        sys.exit(f"the broker refuses: {error.description} ({error.err_code})")
    finally:
        await client.close()


if __name__ == "__main__":
    sys.exit(asyncio.run(main()))
