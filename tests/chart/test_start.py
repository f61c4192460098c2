"""What the chart renders starts the real programs: arguments and environment of every Pod, with its files."""

import pathlib
import re
import subprocess
import tempfile
import unittest

from chart import named, pods, rendered
from node import PROGRAM, Node, demo

# What others make for the set `existing-secrets`.
LENT = "providers:\n  - { id: openai, kind: openai, key: { env: OPENAI_API_KEY } }\n"
GIVEN = {
    "cuepoint-lent": {"lent.yaml": LENT}, "cuepoint-bots-of-git": {"demo.yaml": demo()}, "shop": {"token": "t-1"},
    "openai": {"key": "sk-1"}, "orders": {"secret": "s" * 32}, "vault-redis": {"url": "redis://:p@redis.cache.svc:6379"},
}
# How long a program may take that ends by itself; `helm test` waits half of it for a reply.
SECONDS = 60


def run(argv, env):
    """Runs a program to its end: exit code and all that it said."""
    done = subprocess.run(argv, env=env, capture_output=True, text=True, timeout=SECONDS, check=False)
    return done.returncode, done.stdout + done.stderr


def keys(scratch, *options):
    """What `cuepoint nats-config` makes."""
    place = pathlib.Path(scratch) / "keys"
    code, said = run([PROGRAM, "nats-config", str(place), *options], {})
    if code:
        raise RuntimeError(said)
    return place


class Start(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        if not PROGRAM.exists():
            raise unittest.TestCase.failureException(f"{PROGRAM} is not there: cargo build --package cuepoint, or set BINARIES")
        cls.scratch = tempfile.TemporaryDirectory(prefix="chart-")
        made = keys(cls.scratch.name, "--tls")
        cls.nodes = {name: Node(cls.scratch.name, made, found, GIVEN) for name, found in rendered().items()}

    @classmethod
    def tearDownClass(cls):
        cls.scratch.cleanup()

    def every(self, *kinds):
        """Every Pod of these kinds of object, with its set and a directory of its own."""
        for name, found in rendered().items():
            for one, pod in pods(found):
                if one["kind"] in kinds:
                    yield f"{name} {named(one)}", self.nodes[name], pod, self.nodes[name].scratch / name / one["metadata"]["name"]

    def test_gateways_and_workers_take_their_settings(self):
        count = 0
        for which, node, pod, place in self.every("Deployment"):
            with self.subTest(which):
                code, said = run(*node.command(pod, place, ["--check-config"]))
                self.assertEqual(code, 0, said)
            count += 1
        self.assertEqual(count, 14)

    def test_a_file_that_is_not_there_is_missed_by_name(self):
        count = 0
        for which, node, pod, place in self.every("Deployment"):
            argv, env = node.command(pod, place, ["--check-config"])
            for name, value in env.items():
                file = pathlib.Path(value)
                if not (value.startswith(str(place)) and file.is_file()):
                    continue
                held = file.read_text(encoding="utf-8")
                file.unlink()
                with self.subTest(f"{which} {name}"):
                    code, said = run(argv, env)
                    self.assertEqual(code, 64, said)
                    self.assertIn(file.name, said)
                file.write_text(held, encoding="utf-8")
                count += 1
        self.assertGreater(count, 30)

    def test_every_variable_and_argument_is_one_that_the_program_knows(self):
        for which, node, pod, place in self.every("Deployment", "Job", "Pod"):
            argv, env = node.command(pod, place)
            words = [word for word in argv[1:] if not word.startswith("-")][: 2 if argv[1:3] == ["token", "list"] else 1]
            code, text = run([argv[0], *words, "--help"], {})
            with self.subTest(which):
                self.assertEqual(code, 0, text)
                known = set(re.findall(r"\[env: ([A-Z_]+)", text)) | {"CUEPOINT_OPS", "CUEPOINT_HTTP", "CUEPOINT_DATA"}
                ours = {name for name in env if name.startswith("CUEPOINT_")}
                self.assertEqual(ours - known, set())
                self.assertGreater(len(ours), 2)
                for flag in (word for word in argv[1:] if word.startswith("--")):
                    self.assertRegex(text, rf"{flag}\b")

    def test_the_files_of_bots_have_no_faults(self):
        count = 0
        for which, node, pod, place in self.every("Job"):
            argv, env = node.command(pod, place)
            if argv[1] == "apply":
                with self.subTest(which):
                    code, said = run([argv[0], "lint", argv[3]], env)
                    self.assertEqual(code, 0, said)
                count += 1
        self.assertEqual(count, 2)
