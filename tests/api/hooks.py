"""What schemathesis is told about a running Cuepoint.

Where a case is meant to be right, the ids in it are put right too: a random text is no id, and a call
that only ever finds nothing proves little. Everything else goes out as it was made. Each answer is
counted, by operation; the counts are written where TALLY says when the run ends.
"""

import atexit
import json
import os
import re
import time
from collections import Counter, defaultdict

import schemathesis
from schemathesis.core import parameters
from schemathesis.generation import GenerationMode
from schemathesis.generation.meta import TestPhase
from schemathesis.transport import requests as wire

import world

PATH, QUERY, HEADER, BODY = (getattr(parameters.ParameterLocation, name) for name in ("PATH", "QUERY", "HEADER", "BODY"))
# Ids that the API made: what a link brought is left as it is.
MADE = re.compile(r"^([btkseacm]01[0-9a-z]{20,}|c[0-9a-f]{20,}|(cnv|evt|tmr|dlv)\..*|[0-9]+\.[0-9]+)$")
# How instructions begin, and those that go with egress.
BLOCK = re.compile(r"^\s*```")
CALLS_OUT = re.compile(r"^\s*```(fetch|search|mcp)\b")
# Operations whose bodies say something about an ability.
ABILITIES = ("createAbility", "updateAbility", "checkAbility")
TALLY = defaultdict(Counter)
TRACE = open(os.environ["TRACE"], "w", buffering=1, encoding="utf-8") if "TRACE" in os.environ else None


def is_right(case, location):
    """Whether a part of a case is meant to be right."""
    info = case.meta.components.get(location) if case.meta else None
    return info is None or info.mode == GenerationMode.POSITIVE


def is_linked(case):
    """Whether a case goes on where another ended."""
    return case.meta is not None and case.meta.phase.name == TestPhase.STATEFUL


def operation_id(case):
    return case.operation.definition.raw.get("operationId")


def moments(query):
    """What is said about time, where one thing leaves out another: a schema of parameters cannot say so."""
    query = dict(query)
    if "at" in query:
        query["at"] = str(int((time.time() + 3600) * 1000))
        query.pop("delay", None)
    if "at" in query or "delay" in query:
        query.pop("wait", None)
    if "wait" in query:
        query["wait"] = 5
    return query


def put_right(case, operation):
    """Names things that are there."""
    if case.path_parameters and is_right(case, PATH):
        given = dict(case.path_parameters)
        if not (is_linked(case) and all(MADE.match(str(value)) for value in given.values())):
            case.path_parameters = {**given, **world.places(operation, case.operation.path)}
    if case.query and "cursor" in case.query and is_right(case, QUERY):
        query = {name: value for name, value in case.query.items() if name != "cursor"}
        cursor = world.cursor(case.operation.path, case.path_parameters)
        case.query = {**query, "cursor": cursor} if cursor else query
    if case.query and "ability" in case.query and is_right(case, QUERY):
        case.query = {**case.query, "ability": world.one("ability")}
    if case.headers and is_right(case, HEADER):
        # A revision that somebody else's change has passed is 409, a key of another payload 422: both are right, and say little.
        if "If-Match" in case.headers:
            case.headers["If-Match"] = "*"
        if "Idempotency-Key" in case.headers:
            case.headers["Idempotency-Key"] = world.name("key")
    if case.query and is_right(case, QUERY):
        case.query = moments(case.query)
        case.query.update({name: when for name, when in {"from": "1700000000000", "to": "1900000000000"}.items() if name in case.query})
    if isinstance(case.body, dict) and is_right(case, BODY):
        body = dict(case.body)
        for field, kind in world.NAMES.items():
            value = body.get(field)
            if isinstance(value, str) and not (is_linked(case) and MADE.match(value)):
                body[field] = world.one(kind)
        # Keys have a form of their own, by their scheme.
        if isinstance(body.get("signature"), dict):
            body["signature"] = {"scheme": "github", "key": "not-a-real-key-of-github"}
        if isinstance(body.get("results"), list):
            body["results"] = [{"id": "bus", "subject": "results.made"}]
        # An instruction has a grammar of its own.
        if operation in ABILITIES and not BLOCK.match(str(body.get("instruction", "```"))):
            body["instruction"] = "```echo\n$[text|what to say]\n```"
        # An instruction that names the linked secret wants one: a schema cannot say so.
        if operation in ABILITIES and "instruction" in body:
            body.pop("linkedSecretId", None)
            body["secretId"] = world.one("secret")
        # What is checked is a whole ability, where it is no change of one that is there.
        if operation == "checkAbility" and not (case.query or {}).get("ability"):
            body = {"name": "Checked", "instruction": "```echo\n$[text|what to say]\n```", **body}
        # Only what calls a network has addresses that it may call.
        if operation in ABILITIES and not CALLS_OUT.match(str(body.get("instruction", ""))):
            body.pop("egress", None)
        if operation == "answerEvent" and "call" in body:
            body["call"] = "1.0"
        if isinstance(body.get("fingerprint"), str):
            body["fingerprint"] = world.name("crm")
        if isinstance(body.get("email"), str) and body["email"]:
            body["email"] = world.name("ada") + "@example.com"
        if isinstance(body.get("alias"), str):
            body["alias"] = world.name("alias")
        case.body = body


def is_stream(content_type, is_events=wire.is_event_stream):
    """Whether an answer may never end: JSON lines are followed as server-sent events are."""
    return is_events(content_type) or (content_type or "").startswith("application/jsonl")


def read_stream(chunks, timeout, lines_max):
    """Reads until there are so many lines, or the time is over; half a line is left out."""
    content, end = bytearray(), time.monotonic() + (timeout or world.CALL_S)
    try:
        for chunk in chunks:
            content += chunk
            if content.count(b"\n") >= lines_max or time.monotonic() >= end:
                break
        else:
            return bytes(content), False
    except TimeoutError:
        pass
    return bytes(content[: content.rfind(b"\n") + 1]), True


# schemathesis leaves endless answers off by itself, but only those of server-sent events.
wire.is_event_stream, wire.read_event_stream = is_stream, read_stream


@schemathesis.hook
def before_call(context, case, kwargs):
    operation = operation_id(case)
    if TRACE:
        print(operation, case.method, case.path_parameters, file=TRACE)
    if case.method.upper() == case.operation.method.upper():
        put_right(case, operation)


@schemathesis.hook
def after_call(context, case, response):
    operation = operation_id(case)
    if TRACE:
        print("  ", response.status_code, f"{response.elapsed:.3f}", file=TRACE)
    if response.request.method == case.operation.method.upper():
        TALLY[operation][response.status_code] += 1
    else:
        TALLY[operation]["other method"] += 1


@atexit.register
def write():
    path = os.environ.get("TALLY")
    if path and TALLY:
        with open(path, "w", encoding="utf-8") as file:
            json.dump(TALLY, file)
