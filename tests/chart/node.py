"""What a node does with a Pod, as far as its program can tell: files of volumes, environment, the image's entry point.

Secrets and ConfigMaps that the chart names and does not make are made here, each key by what it is for: the
variable that names its file. Nothing is mounted: files lie under a scratch directory, and paths are rewritten.
"""

import json
import os
import pathlib
import re
import shlex

import yaml

from chart import ROOT, pods
from links import sources

BINARIES = pathlib.Path(os.environ.get("BINARIES", ROOT / "target" / "debug")).absolute()
PROGRAM = BINARIES / "cuepoint"
TOOLS = ROOT / ".tools" / "bin"
# What stands for a container's program.
PROGRAMS = {"/cuepoint": PROGRAM, "nats-server": TOOLS / "nats-server", "redis-server": TOOLS / "redis-server"}
# What fields of a Pod say where there is no cluster.
FIELDS = {"metadata.name": "cuepoint-gateway-5d8f-x7k2p", "metadata.namespace": "events", "spec.nodeName": "node-1"}
FAKE_JWT = "eyJ0eXAiOiJKV1QiLCJhbGciOiJlZDI1NTE5LW5rZXkifQ.eyJqdGkiOiJ4In0.eA"
# As the NATS tools write them.
CREDS = """-----BEGIN NATS USER JWT-----
{jwt}
------END NATS USER JWT------

************************* IMPORTANT *************************
NKEY Seed printed below can be used to sign and prove identity.

-----BEGIN USER NKEY SEED-----
{seed}
------END USER NKEY SEED------

*************************************************************
"""
# Whose seed a component's file holds.
USERS = {"gateway": "gateway", "apply": "gateway", "worker": "worker", "setup": "setup"}
ENV_PATTERN = re.compile(r"\$\(([A-Za-z_][A-Za-z0-9_]*)\)")


def images():
    """What deploy/Dockerfile says of each image: its environment and entry point."""
    text = (ROOT / "deploy" / "Dockerfile").read_text(encoding="utf-8").replace("\\\n", " ")
    found, stage = {}, None
    for line in text.splitlines():
        word, _, rest = line.strip().partition(" ")
        if word == "FROM":
            base, _, name = rest.partition(" AS ")
            stage = found[name] = json.loads(json.dumps(found.get(base, {"env": {}, "entry": []})))
        elif word == "ENV":
            stage["env"].update(pair.split("=", 1) for pair in shlex.split(rest))
        elif word == "ENTRYPOINT":
            stage["entry"] = json.loads(rest)
    return found


class Node:
    """A place where the Pods of a release can be started: scratch directory, files of `nats-config`, the objects.

    `given` are Secrets and ConfigMaps that others make, as {name: {key: text}}.
    """

    def __init__(self, scratch, keys, objects, given=None):
        self.scratch = pathlib.Path(scratch)
        self.keys = pathlib.Path(keys)
        self.images = images()
        self.texts = {("ConfigMap", one["metadata"]["name"]): one["data"] for one in objects if one["kind"] == "ConfigMap"}
        for name, data in (given or {}).items():
            self.texts[("ConfigMap", name)] = self.texts[("Secret", name)] = data
        for _, pod in pods(objects):
            self.make(pod)

    def make(self, pod):
        """Makes what a Pod mounts and nobody has made: each file by the variable that names it."""
        container = pod["spec"]["containers"][0]
        named = {one.get("value"): one["name"] for one in container.get("env", [])}
        for volume, mount in self.mounts(pod):
            for kind, name, keys in sources(volume):
                held = self.texts.setdefault((kind, name), {})
                for key, path in keys:
                    env = named.get(f"{mount}/{path}")
                    if env and key not in held:
                        held[key] = self.content(env, pod["metadata"]["labels"]["app.kubernetes.io/component"])

    def content(self, env, component):
        """What a file holds that a variable names."""
        seed = self.keys / "users" / f"{USERS[component]}.nk"
        files = {
            "CUEPOINT_DEPLOYMENT_KEY_FILE": "deployment.key", "CUEPOINT_API_TOKEN_FILE": "api.token",
            "CUEPOINT_REDIS_PASSWORD_FILE": "redis.password", "CUEPOINT_NATS_NKEY": seed,
            "CUEPOINT_NATS_CA": "tls/ca.crt", "CUEPOINT_NATS_CERT": "tls/client.crt", "CUEPOINT_NATS_KEY": "tls/client.key",
            "CUEPOINT_REDIS_CA": "tls/ca.crt", "CUEPOINT_REDIS_CERT": "tls/client.crt", "CUEPOINT_REDIS_KEY": "tls/client.key",
        }
        if env in files:
            return (self.keys / files[env]).read_text(encoding="utf-8")
        if env == "CUEPOINT_MASTER_KEY_FILE":
            return "ab" * 32 + "\n" + "cd" * 32 + "\n"
        if env == "CUEPOINT_NATS_CREDS":
            return CREDS.format(jwt=FAKE_JWT, seed=seed.read_text(encoding="utf-8").strip())
        raise KeyError(f"no test says what the file of {env} holds")

    @staticmethod
    def mounts(pod):
        """The volumes of a Pod's container, each with its path there."""
        volumes = {volume["name"]: volume for volume in pod["spec"].get("volumes", [])}
        mounts = pod["spec"]["containers"][0].get("volumeMounts", [])
        return [(volumes[one["name"]], one["mountPath"]) for one in mounts if one["name"] in volumes]

    def lay(self, pod, place, moved=str):
        """Writes a Pod's files below a directory, each with its text changed by `moved`."""
        for volume, mount in self.mounts(pod):
            for kind, name, keys in sources(volume):
                held = self.texts[(kind, name)]
                for key, path in keys or [(key, key) for key in held]:
                    file = place / f"{mount.lstrip('/')}/{path}"
                    file.parent.mkdir(parents=True, exist_ok=True)
                    file.write_text(moved(held[key]), encoding="utf-8")

    def command(self, pod, place, extra=(), override=None):
        """How a Pod's program is started: arguments and environment, with paths below `place`."""
        container = pod["spec"]["containers"][0]
        image = self.images.get(re.search(r"/([a-z]+)[:@]", container["image"]).group(1), {"env": {}, "entry": []})
        self.lay(pod, place)
        env = dict(image["env"])
        for one in container.get("env", []):
            env[one["name"]] = self.value(one, env)
        env.update(override or {})
        ours = [mount["mountPath"] for mount in container.get("volumeMounts", [])] + ["/data"]

        def moved(text):
            return str(place) + text if any(text == mount or text.startswith(f"{mount}/") for mount in ours) else text

        argv = [moved(one) for one in [*(container.get("command") or image["entry"]), *container.get("args", []), *extra]]
        return [str(PROGRAMS[argv[0]]), *argv[1:]], {name: moved(value) for name, value in env.items() if value is not None}

    def value(self, one, before):
        """The value of a variable, as the kubelet makes it; the ones before it may stand in it."""
        source = one.get("valueFrom", {})
        if "fieldRef" in source:
            return FIELDS[source["fieldRef"]["fieldPath"]]
        if "secretKeyRef" in source:
            ref = source["secretKeyRef"]
            return self.texts[("Secret", ref["name"])][ref["key"]]
        return ENV_PATTERN.sub(lambda found: before.get(found[1], found[0]), one.get("value", ""))


def demo():
    """The bots of the minimal set, as a file of theirs."""
    values = yaml.safe_load((ROOT / "deploy" / "chart" / "ci" / "minimal.yaml").read_text(encoding="utf-8"))
    return yaml.safe_dump(values["bots"]["files"]["demo.yaml"])
