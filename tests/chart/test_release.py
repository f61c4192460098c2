"""A whole release without a cluster: hooks, Deployments and `helm test` in Helm's order, over real servers.

Every process is started by the arguments, the environment and the files of its Pod; only addresses are others.
What this leaves out of the set `tls-mtls` is TLS to Redis, which the Redis of the tests does not speak.
"""

import json
import pathlib
import re
import signal
import socket
import subprocess
import tempfile
import time
import unittest
import urllib.error
import urllib.request

from chart import CHART, merge, named, objects, pods, read
from node import TOOLS, Node
from test_start import keys, run
from trial import TRIAL, manifests, secrets

READY_SECONDS = 60
MINIMAL = read(CHART / "ci" / "minimal.yaml")
# The sizes and bots of the minimal set, and a faster end.
SMALL = {
    "setup": MINIMAL["setup"], "bots": MINIMAL["bots"], "test": MINIMAL["test"],
    "gateway": {"drainDelay": "1s"}, "networkPolicy": {"enabled": True},
}


def port():
    """A free port of this machine."""
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return one.getsockname()[1]


def eventually(holds, what):
    """Waits until something holds, which is bounded."""
    until = time.monotonic() + READY_SECONDS
    while not holds():
        if time.monotonic() > until:
            raise AssertionError(f"after {READY_SECONDS} s: {what}")
        time.sleep(0.05)


def listens(address):
    """Whether somebody takes connections there."""
    host, number = address.split(":")
    with socket.socket() as one:
        return one.connect_ex((host, int(number))) == 0


def ask(address, path):
    """Status and body of a GET; nothing where nobody listens."""
    try:
        with urllib.request.urlopen(f"http://{address}{path}", timeout=5) as answer:
            return answer.status, answer.read().decode()
    except urllib.error.HTTPError as error:
        return error.code, error.read().decode()
    except OSError:
        return None, ""


class Release(unittest.TestCase):
    def setUp(self):
        scratch = tempfile.TemporaryDirectory(prefix="chart-")
        self.addCleanup(scratch.cleanup)
        self.scratch = pathlib.Path(scratch.name)
        self.nats, self.redis, self.http = f"127.0.0.1:{port()}", f"127.0.0.1:{port()}", f"127.0.0.1:{port()}"
        self.ops = {}

    def started(self, name, argv, env=None):
        """Starts a process that the test ends."""
        with open(self.scratch / f"{name}.log", "wb") as log:
            process = subprocess.Popen(argv, env=env or {}, stdout=log, stderr=log, cwd=self.scratch)
        self.addCleanup(process.wait)
        self.addCleanup(process.kill)
        return process

    def log(self, name):
        return (self.scratch / f"{name}.log").read_text(encoding="utf-8", errors="replace")

    def servers(self, nats, redis):
        address, number = self.nats.split(":")
        # What streams set aside is no matter of how much this disk has free.
        config = pathlib.Path(nats)
        config.write_text(config.read_text().replace("jetstream {", "jetstream {\n  max_file_store: 1TB", 1))
        self.started("nats", [TOOLS / "nats-server", "--addr", address, "--port", number, "--config", config])
        self.started("redis", [TOOLS / "redis-server", "--bind", "127.0.0.1", "--port", self.redis.split(":")[1], "--save", "", *redis])
        for each in (self.nats, self.redis):
            eventually(lambda: listens(each), f"nothing listens on {each}")

    def deployed(self, node, found, addresses):
        """Starts each Deployment's program once, and waits until it is ready."""
        running = {}
        for one, pod in pods(found):
            if one["kind"] == "Deployment":
                name = one["metadata"]["name"]
                self.ops[name] = f"127.0.0.1:{port()}"
                own = {**addresses, "CUEPOINT_OPS": self.ops[name]}
                if name.endswith("-gateway"):
                    own["CUEPOINT_HTTP"] = self.http
                argv, env = node.command(pod, self.scratch / name, override=own)
                running[name] = (self.started(name, argv, env), pod)
        for name, (process, _) in running.items():
            eventually(lambda: process.poll() is not None or ask(self.ops[name], "/readyz")[0] == 200, f"{name} is not ready: {self.log(name)}")
            self.assertIsNone(process.poll(), self.log(name))
        return running

    def hooks(self, node, found, moment, addresses):
        """Runs the Pods of a hook to their end, in the order of their weights; gives what they said."""
        ours = [(one, pod) for one, pod in pods(found) if moment in one["metadata"].get("annotations", {}).get("helm.sh/hook", "").split(",")]
        said = []
        for one, pod in sorted(ours, key=lambda pair: int(pair[0]["metadata"]["annotations"]["helm.sh/hook-weight"])):
            code, text = run(*node.command(pod, self.scratch / one["metadata"]["name"], override=addresses))
            self.assertEqual(code, 0, f"{named(one)}: {text}")
            said.append(text)
        return said

    def ended(self, running):
        """Ends all as the kubelet does; each has to be gone within its grace, by itself and with success."""
        for process, _ in running.values():
            process.send_signal(signal.SIGTERM)
        began = time.monotonic()
        for name, (process, pod) in running.items():
            grace = pod["spec"]["terminationGracePeriodSeconds"]
            code = process.wait(timeout=max(1, grace - (time.monotonic() - began)))
            self.assertEqual(code, 0, self.log(name))

    def played(self, values, addresses, given=None):
        """Installs, tests, upgrades and ends a release."""
        found = objects(values)
        node = Node(self.scratch, self.keys, found, given)
        self.assertEqual(len(self.hooks(node, found, "pre-install", addresses)), 1)
        running = self.deployed(node, found, addresses)
        self.assertIn("2 created", self.hooks(node, found, "post-install", addresses)[0])
        [reply] = self.hooks(node, found, "test", {"CUEPOINT_HTTP": f"http://{self.http}"})
        self.assertIn("Order 42 is noted (42).", reply)
        for name, address in self.ops.items():
            self.assertEqual(ask(address, "/healthz")[0], 200, name)
            self.assertIn("\ncuepoint_", ask(address, "/metrics")[1])
        # What KEDA asks for: nothing is left to do.
        status, body = ask(self.ops["cuepoint-gateway"], "/runnable")
        self.assertEqual((status, json.loads(body)), (200, {"runnableSessions": 0}))
        # An upgrade runs the same hooks: nothing is made anew, nothing is refused.
        self.hooks(node, found, "pre-upgrade", addresses)
        self.assertIn("2 unchanged", self.hooks(node, found, "post-upgrade", addresses)[0])
        self.ended(running)

    def test_the_minimal_set_is_installed_tested_upgraded_and_ended(self):
        self.keys = keys(self.scratch)
        config = self.scratch / "nats.conf"
        config.write_text(f'jetstream {{\n  store_dir: "{self.scratch}/nats"\n}}\n')
        self.servers(config, [])
        values = merge(MINIMAL, {"gateway": {"drainDelay": "1s"}})
        self.played(values, {"CUEPOINT_NATS": f"nats://{self.nats}", "CUEPOINT_REDIS": f"redis://{self.redis}"})

    def test_the_trial_servers_and_their_secrets_serve_the_trial_values(self):
        self.keys = keys(self.scratch)
        given = secrets(self.keys)
        node = Node(self.scratch, self.keys, manifests(), given)
        monitor = f"127.0.0.1:{port()}"
        options = {
            "nats": ["--addr", "127.0.0.1", "--port", self.nats.split(":")[1], "--http_port", monitor.split(":")[1]],
            "redis": ["--bind", "127.0.0.1", "--port", self.redis.split(":")[1]],
        }
        for one, pod in pods(manifests()):
            name = one["metadata"]["name"]
            place = self.scratch / name
            (place / "data").mkdir(parents=True)
            argv, env = node.command(pod, place, options[name])
            node.lay(pod, place, lambda text, place=place: re.sub(r"(?<![\w/])/(data|etc)\b", rf"{place}/\1", text))
            self.started(name, argv, env)
        for each in (self.nats, self.redis):
            eventually(lambda: listens(each), f"nothing listens on {each}")
        for probe in ("/healthz", "/healthz?js-server-only=true"):
            eventually(lambda: ask(monitor, probe)[0] == 200, f"{probe} of NATS is not well")
        values = merge(read(TRIAL / "values.yaml"), {"gateway": {"drainDelay": "1s"}})
        self.played(values, {"CUEPOINT_NATS": f"nats://{self.nats}", "CUEPOINT_REDIS": f"redis://cuepoint@{self.redis}"}, given)

    def test_users_with_nkeys_and_client_certificates_may_do_all_that_a_release_does(self):
        self.keys = keys(self.scratch, "--tls", "--host", "127.0.0.1", "--store", str(self.scratch / "nats"))
        self.servers(self.keys / "nats.conf", ["--aclfile", str(self.keys / "redis.acl"), "--protected-mode", "no"])
        values = merge(read(CHART / "ci" / "tls-mtls.yaml"), SMALL)
        # _INBOX is what `cuepoint nats-config` allows.
        for user in values["nats"]["users"].values():
            user.pop("inbox", None)
        values["telemetry"] = {}
        addresses = {"CUEPOINT_NATS": f"tls://{self.nats}", "CUEPOINT_REDIS": f"redis://cuepoint@{self.redis}"}
        self.played(values, {**addresses, "CUEPOINT_REDIS_CA": None, "CUEPOINT_REDIS_CERT": None, "CUEPOINT_REDIS_KEY": None})
