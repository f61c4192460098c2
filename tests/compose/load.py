#!/usr/bin/env python3
"""Sends events to a trigger while its deployment is being hurt, and says what became of each.

    load.py URL TRIGGER SECRET --sessions 24 --rate 120 --until FILE

Each session is a thread of its own that sends order 1, 2, 3, ... A call that fails is repeated with its
Idempotency-Key until it is answered with a receipt. Once FILE is there, no more are sent, and each session's
conversation is read: every order must have been handled exactly once, in the order of the receipts.
"""

import argparse
import http.client
import json
import os
import sys
import threading
import time
import urllib.parse

# How long one event may take to be accepted, and one conversation to be handled to its end.
PATIENCE_SECONDS = 90
# How long one call may take.
CALL_SECONDS = 5
# Answers that say: again, later.
AGAIN = {429, 500, 502, 503, 504}


class Session:
    """One session: what was sent, and what it took."""

    def __init__(self, options, number):
        self.options, self.name = options, f"{options.run}-{number}"
        self.connection = None
        self.receipts = []
        self.failures = self.refusals = self.replays = 0
        self.slowest = 0.0
        self.fault = None

    def call(self, method, path, body=None, headers=None):
        if self.connection is None:
            address = urllib.parse.urlsplit(self.options.url)
            self.connection = http.client.HTTPConnection(address.hostname, address.port, timeout=CALL_SECONDS)
        try:
            self.connection.request(method, path, body, {"Authorization": f"Bearer {self.options.secret}", **(headers or {})})
            answer = self.connection.getresponse()
            return answer.status, answer.read(), answer.headers
        except Exception:
            self.connection.close()
            self.connection = None
            raise

    def patiently(self, *call):
        """A call, repeated until it is answered."""
        since, pause = time.monotonic(), 0.05
        while time.monotonic() - since < PATIENCE_SECONDS:
            try:
                status, body, headers = self.call(*call)
                if status not in AGAIN:
                    if status != 200:
                        raise SystemExit(f"{call[0]} {call[1]} was answered {status}: {body[:300]!r}")
                    return json.loads(body), headers
                self.refusals += 1
            except (OSError, http.client.HTTPException):
                self.failures += 1
            time.sleep(pause)
            pause = min(pause * 1.5, 1.0)
        raise SystemExit(f"{call[1]} was not answered within {PATIENCE_SECONDS} s")

    def send(self):
        number = len(self.receipts) + 1
        began = time.monotonic()
        body = json.dumps({"text": f"order {number}", "session": self.name}).encode()
        headers = {"Content-Type": "application/json", "Idempotency-Key": f"{self.name}-{number}"}
        answer, answered = self.patiently("POST", f"/v1/integration/trigger/{self.options.trigger}/event", body, headers)
        self.replays += answered.get("Idempotent-Replay") == "true"
        self.receipts.append(answer["id"])
        self.slowest = max(self.slowest, time.monotonic() - began)

    def conversation(self):
        """All messages, once the last event is handled."""
        since, found = time.monotonic(), {}
        while not found.get("conversationId") or found.get("status") not in ("completed", "failed", "cancelled", "dead"):
            if time.monotonic() - since > PATIENCE_SECONDS:
                raise SystemExit(f"{self.receipts[-1]} was not handled within {PATIENCE_SECONDS} s: {found}")
            found, _ = self.patiently("GET", f"/v1/integration/trigger/{self.options.trigger}/event/{self.receipts[-1]}/fetch")
            time.sleep(0.05)
        messages, cursor = [], ""
        while True:
            path = f"/v1/conversation/{found['conversationId']}/message/list?order=asc&take=100"
            page, _ = self.patiently("GET", path + (f"&cursor={urllib.parse.quote(cursor)}" if cursor else ""))
            if not page["items"]:
                return messages
            messages += page["items"]
            cursor = page["cursor"]

    def check(self):
        messages = self.conversation()
        asked = [(message["text"], message["meta"]["event"]) for message in messages if message["type"] == "user"]
        wanted = [(f"order {index + 1}", receipt) for index, receipt in enumerate(self.receipts)]
        said = [message["text"] for message in messages if message["type"] == "bot"]
        replies = [f"Order {index + 1} is noted ({index + 1})." for index in range(len(self.receipts))]
        for what, found, right in (("asked", asked, wanted), ("replied", said, replies)):
            if found != right:
                at = next((i for i, pair in enumerate(zip(found, right)) if pair[0] != pair[1]), min(len(found), len(right)))
                raise SystemExit(f"{self.name}: {what} {len(found)}, {len(right)} expected; at {at}: {found[at : at + 2]} for {right[at : at + 2]}")

    def run(self):
        try:
            pause = self.options.sessions / self.options.rate
            due = time.monotonic()
            while not os.path.exists(self.options.until):
                self.send()
                due = max(due + pause, time.monotonic() - 1)
                time.sleep(max(0.0, due - time.monotonic()))
            self.check()
        except SystemExit as fault:
            self.fault = str(fault)
        except Exception as fault:
            self.fault = repr(fault)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("url")
    parser.add_argument("trigger")
    parser.add_argument("secret")
    parser.add_argument("--sessions", type=int, default=24)
    parser.add_argument("--rate", type=float, default=120)
    parser.add_argument("--until", required=True)
    options = parser.parse_args()
    options.run = f"load-{time.time_ns()}"
    sessions = [Session(options, number) for number in range(options.sessions)]
    threads = [threading.Thread(target=session.run) for session in sessions]
    began = time.monotonic()
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    faults = [session.fault for session in sessions if session.fault]
    total = lambda field: sum(getattr(session, field) for session in sessions)
    count = sum(len(session.receipts) for session in sessions)
    print(
        f"{count} events in {len(sessions)} sessions, {total('failures')} broken calls, {total('refusals')} refused, "
        f"{total('replays')} answered as repeats, slowest {max(session.slowest for session in sessions):.1f} s, "
        f"{time.monotonic() - began:.0f} s: " + (f"{len(faults)} sessions wrong" if faults else "each handled exactly once, in order")
    )
    for fault in faults[:5]:
        print(fault, file=sys.stderr)
    sys.exit(bool(faults) or count == 0)


if __name__ == "__main__":
    main()
