"""The plain manifests of a trial are valid, restricted, and fit together with the chart and their Secrets."""

import pathlib
import subprocess
import tempfile
import unittest

import flows
import links
import restricted
from chart import ROOT, named, objects, pods, read
from test_render import NEWEST, OLDEST, refused
from trial import TRIAL, manifests, printed

# Files as `cuepoint nats-config` makes them; what is in them is of no account here.
FILES = ["accounts.conf", "redis.acl", "deployment.key", "api.token", "redis.password",
         *(f"users/{user}.nk" for user in ("gateway", "worker", "setup"))]
CERTIFICATES = [f"tls/{name}" for name in ("ca.crt", "server.crt", "server.key", "client.crt", "client.key")]


class Trial(unittest.TestCase):
    def setUp(self):
        made = tempfile.TemporaryDirectory(prefix="chart-")
        self.addCleanup(made.cleanup)
        self.made = pathlib.Path(made.name)

    def make(self, *files):
        """Writes files, each with its own name in it."""
        for name in files:
            (self.made / name).parent.mkdir(exist_ok=True)
            (self.made / name).write_text(f"{name}\n" * 99, encoding="utf-8")

    def test_every_manifest_and_secret_passes_the_strict_schemas_of_kubernetes(self):
        self.make(*FILES, *CERTIFICATES)
        found = manifests() + printed(self.made)
        self.assertGreater(len(found), 15)
        for one in found:
            for version in (OLDEST, NEWEST):
                with self.subTest(f"{version} {named(one)}"):
                    self.assertIsNone(refused(one, version))

    def test_every_container_fits_the_restricted_profile(self):
        found = pods(manifests())
        self.assertEqual([one["kind"] for one, _ in found], ["StatefulSet", "Deployment"])
        for one, pod in found:
            self.assertEqual(restricted.faults(pod["spec"]), [], named(one))
        [namespace] = [one for one in manifests() if one["kind"] == "Namespace"]
        self.assertEqual(namespace["metadata"]["labels"]["pod-security.kubernetes.io/enforce"], "restricted")

    def test_servers_secrets_and_chart_fit_together(self):
        self.make(*FILES)
        whole = manifests() + printed(self.made) + objects(read(TRIAL / "values.yaml"))
        checks = (links.twice, links.selectors, links.services, links.mounts, links.accounts)
        self.assertEqual([line for check in checks for line in check(whole)], [])
        made = {one["metadata"]["name"] for one in whole if one["kind"] in ("Secret", "ConfigMap")}
        named_ones = {name for _, pod in pods(whole) for volume in pod["spec"].get("volumes", []) for _, name, _ in links.sources(volume)}
        self.assertEqual(named_ones, made)

    def test_the_servers_are_where_the_values_say(self):
        values = read(TRIAL / "values.yaml")
        served = {one["metadata"]["name"]: [port["port"] for port in one["spec"]["ports"]] for one in manifests() if one["kind"] == "Service"}
        for address in (values["nats"]["url"], values["redis"]["url"]):
            host, port = address.split("//")[1].split("@")[-1].split(":")
            self.assertIn(int(port), served[host])

    def test_policies_of_both_sides_let_the_chart_reach_its_servers(self):
        release = objects(read(TRIAL / "values.yaml"))
        self.assertEqual(list(flows.faults(release)), [])
        servers = {one["metadata"]["name"]: pod["metadata"]["labels"] for one, pod in pods(manifests())}
        for policy in links.of_kind(manifests(), "NetworkPolicy"):
            callers = policy["spec"]["ingress"][0]["from"][0]["podSelector"]["matchLabels"]
            for one, pod in pods(release):
                self.assertTrue(links.selects(callers, pod["metadata"]["labels"]), named(one))
        for policy in links.of_kind(release, "NetworkPolicy"):
            for rule in policy["spec"]["egress"]:
                for port, server in ((4222, "nats"), (6379, "redis")):
                    if {"protocol": "TCP", "port": port} in rule["ports"]:
                        [to] = rule["to"]
                        self.assertTrue(links.selects(to["podSelector"]["matchLabels"], servers[server]), named(policy))

    def test_the_script_keeps_whole_files_and_says_what_it_wants(self):
        self.make(*FILES)
        by_name = {one["metadata"]["name"]: one["data"] for one in printed(self.made)}
        self.assertEqual(set(by_name["cuepoint-nats-gateway"]), {"nats.nk"})
        self.assertNotIn("cuepoint-ca", by_name)
        (self.made / "users" / "setup.nk").unlink()
        with self.assertRaises(subprocess.CalledProcessError):
            printed(self.made)
        done = subprocess.run([TRIAL / "secrets.sh", ROOT], capture_output=True, text=True, check=False)
        self.assertEqual(done.returncode, 2)
        self.assertIn("nats-config", done.stderr)
