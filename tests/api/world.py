"""What is there for the operations to work on, made over the API itself.

`places` gives the path of a call something that is really there: one thing for all calls that read,
a fresh one for each call that changes or takes away. `live` does the same for ids in bodies.
"""

import itertools
import os
import time
from functools import cache

import requests

BASE = os.environ["CUEPOINT_URL"]
TOKEN = os.environ["CUEPOINT_API_TOKEN"]
# How long anything is waited for, in seconds.
PATIENCE_S = 20
# How long a call may take, in seconds.
CALL_S = 15

SESSION = requests.Session()
SESSION.headers["Authorization"] = f"Bearer {TOKEN}"
COUNT = itertools.count(1)


def get(path):
    """What a call answers that reads."""
    answer = SESSION.get(BASE + path, timeout=CALL_S)
    answer.raise_for_status()
    return answer.json()


def post(path, body):
    """What a call answers that does something."""
    answer = SESSION.post(BASE + path, json=body, timeout=CALL_S)
    if not answer.ok:
        raise RuntimeError(f"{path}: {answer.status_code} {answer.text}")
    return answer.json()


def until(what, look):
    """Looks until there is something to see."""
    end = time.monotonic() + PATIENCE_S
    while time.monotonic() < end:
        if found := look():
            return found
        time.sleep(0.02)
    raise RuntimeError(f"{what} did not come within {PATIENCE_S} s")


def name(word):
    """A name that nothing else has."""
    return f"{word}-{next(COUNT)}"


def bot():
    rules = {"rules": [{"reply": "Tell me an order number."}]}
    return post("/bot/create", {"name": name("bot"), "kind": "rules", "definition": rules})["id"]


def trigger():
    results = [{"id": "bus", "subject": "results.made"}]
    return post("/integration/trigger/create", {"name": name("trigger"), "botId": one("bot"), "results": results})["id"]


def skillset():
    return post("/skillset/create", {"name": name("skillset")})["id"]


def ability(of=None):
    instruction = "```echo\n$[text|what to say]\n```"
    return post(f"/skillset/{of or one('skillset')}/ability/create", {"name": name("say"), "instruction": instruction})["id"]


def secret():
    return post("/secret/create", {"name": name("secret"), "kind": "shared", "type": "plain", "value": "not-a-real-secret"})["id"]


def contact():
    return post("/contact/create", {"name": "Ada", "fingerprint": name("crm")})["id"]


def personal():
    """A secret of which each contact has a value of its own."""
    return post("/secret/create", {"name": name("secret"), "kind": "personal", "type": "plain"})["id"]


def token():
    return post("/token/create", {"name": name("token"), "scopes": ["publish"]})["id"]


def conversation():
    said = [{"type": "user", "text": "Hello!"}, {"type": "bot", "text": "Hello."}]
    return post("/conversation/create", {"botId": one("bot"), "messages": said})["id"]


def message(of=None):
    return post(f"/conversation/{of or one('conversation')}/message/create", {"type": "user", "text": "Hello again!"})["id"]


def event():
    """The receipt of an event that is done."""
    return post(f"/integration/trigger/orders/event?wait=10&session={name('s')}", {"text": "Where is order 42?"})["id"]


def waiting():
    """The receipt of an event whose turn waits for leave."""
    receipt = post(f"/integration/trigger/refunds/event?session={name('s')}", {"text": "Pay order 42 back."})["id"]
    until("a call that waits for leave", lambda: get(f"/integration/trigger/refunds/event/{receipt}/fetch").get("status") == "waiting")
    return receipt


def later():
    """The receipt of an event that comes in an hour."""
    return post(f"/integration/trigger/orders/event?delay=1h&session={name('s')}", {"text": "Where is order 42?"})["id"]


def channel():
    return post("/conversation/dispatch", {"botId": one("bot"), "messages": [{"type": "user", "text": "Hello!"}]})["channelId"]


def delivery():
    return post("/integration/trigger/orders/destination/bus/test", {})["id"]


def letter():
    """A dead letter: the event of a trigger whose bot is gone."""
    gone = bot()
    orphan = post("/integration/trigger/create", {"name": name("trigger"), "botId": gone})["id"]
    before = {item["id"] for item in get("/dead/list")["items"]}
    post(f"/bot/{gone}/delete", {})
    post(f"/integration/trigger/{orphan}/event", {"text": "Is anybody there?"})
    found = until("a dead letter", lambda: {item["id"] for item in get("/dead/list")["items"]} - before)
    return found.pop()


@cache
def one(kind):
    """One thing of a kind, which stays."""
    return globals()[kind]()


def cursor(path, given):
    """The cursor behind the first item of a list; none where the list is empty."""
    path = path.format(**(given or {})).replace("/export", "/list")
    answer = SESSION.get(f"{BASE}{path}", params={"take": 1}, timeout=CALL_S)
    return answer.json().get("cursor") if answer.ok else None


# What a path is about, by how it begins.
KINDS = {
    "/bot/": "bot",
    "/integration/trigger/": "trigger",
    "/skillset/": "skillset",
    "/secret/": "secret",
    "/contact/": "contact",
    "/token/": "token",
    "/conversation/": "conversation",
    "/channel/": "channel",
    "/delivery/": "delivery",
    "/dead/": "letter",
}
# Operations that take away, or change so that others would fail, what the path is about.
CONSUMES = {
    "deleteBot", "updateBot",
    "deleteTrigger", "updateTrigger", "rotateTrigger",
    "deleteSkillset", "updateSkillset",
    "deleteSecret", "updateSecret", "revokeSecret",
    "deleteContact", "eraseContact", "updateContact",
    "deleteToken", "updateToken", "revokeToken",
    "deleteConversation", "updateConversation", "upsertConversationContact",
}  # fmt: skip


def places(operation, path):
    """What stands in a path: names and ids that are really there."""
    if operation in ("approveCall", "rejectCall"):
        return {"id": f"{waiting()}.1.0"}
    if "{receipt}" in path:
        if operation in ("answerEvent", "cancelEvent"):
            return {"id": "refunds", "receipt": waiting()}
        return {"id": "orders", "receipt": one("event")}
    if "{destination}" in path:
        return {"id": "orders", "destination": "bus"}
    if "{secret}" in path:
        return {"id": one("contact"), "secret": one("personal")}
    if "{message}" in path:
        of = one("conversation")
        return {"id": of, "message": message(of) if operation in ("deleteMessage", "updateMessage") else one("message")}
    if "{ability}" in path:
        if operation in ("deleteAbility", "updateAbility"):
            of = skillset()
            return {"id": of, "ability": ability(of)}
        return {"id": one("skillset"), "ability": one("ability")}
    if operation == "createAbility":
        # A skillset takes a hundred.
        return {"id": skillset()}
    if operation in ("sendEvent", "sendEvents", "listEvents", "cancelEvents", "listDeliveries", "listDestinations", "invokeTrigger"):
        return {"id": "orders"}
    if "{id}" in path:
        kind = next(kind for start, kind in KINDS.items() if path.startswith(start))
        return {"id": globals()[kind]() if operation in CONSUMES else one(kind)}
    return {}


# Fields that name something.
NAMES = {
    "botId": "bot",
    "skillsetId": "skillset",
    "secretId": "secret",
    "linkedSecretId": "secret",
    "contactId": "contact",
    "conversationId": "conversation",
    "triggerId": "trigger",
    "messageId": "message",
}
