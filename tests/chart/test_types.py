"""Objects of KEDA, the Prometheus operator and the Gateway API, held against the types of these.

Each is written as a literal of its package's type: the compiler refuses fields that are not there, at every depth,
and ones that are missing. Patterns and bounds are beyond types, so the packages' own validation runs too.
"""

import copy
import json
import pathlib
import subprocess
import tempfile
import unittest

from chart import ROOT, named, rendered

PEERS = ROOT / ".tools" / "peers" / "chart" / "types"
NODE = ROOT / ".tools" / "bin" / "node"
MODULES = {
    "ScaledObject": "@kubernetes-models/keda/keda.sh/v1alpha1/ScaledObject",
    "ServiceMonitor": "@kubernetes-models/prometheus-operator/monitoring.coreos.com/v1/ServiceMonitor",
    "PrometheusRule": "@kubernetes-models/prometheus-operator/monitoring.coreos.com/v1/PrometheusRule",
    "HTTPRoute": "@kubernetes-models/gateway-api/gateway.networking.k8s.io/v1/HTTPRoute",
}
OPTIONS = {"strict": True, "noEmit": True, "target": "es2022", "module": "nodenext", "moduleResolution": "nodenext",
           "skipLibCheck": True, "types": []}
SECONDS = 120


def foreign():
    """Every object of a kind that Kubernetes does not bring, by its set."""
    return [(f"{name}: {named(one)}", one) for name, found in rendered().items() for one in found if one["kind"] in MODULES]


def typescript(objects):
    """A module with each object as a literal of its type."""
    kinds = sorted({one["kind"] for one in objects})
    imports = [f'import type {{ I{kind} }} from "{MODULES[kind]}";' for kind in kinds]
    return "\n".join([*imports, *(f"export const o{i}: I{one['kind']} = {json.dumps(one, indent=2)};" for i, one in enumerate(objects))])


def script(objects):
    """A program that has each object validated by its package, and prints what is wrong with which."""
    kinds = sorted({one["kind"] for one in objects})
    imports = [f'import {{ {kind} }} from "{MODULES[kind]}";' for kind in kinds]
    tried = [f"[{one['kind']}, {json.dumps(one)}]," for one in objects]
    return "\n".join([*imports, "const wrong = [];", "for (const [Kind, data] of [", *tried, "]) {",
                      "  try { new Kind(data).validate(); } catch (error) { wrong.push(`${data.metadata.name}: ${error.message}`); }",
                      "}", "console.log(JSON.stringify(wrong));"])


class Types(unittest.TestCase):
    def setUp(self):
        place = tempfile.TemporaryDirectory(prefix="tried-", dir=PEERS)
        self.addCleanup(place.cleanup)
        self.place = pathlib.Path(place.name)
        (self.place / "package.json").write_text('{"type": "module"}', encoding="utf-8")

    def node(self, *words):
        done = subprocess.run([NODE, *words], cwd=self.place, capture_output=True, text=True, timeout=SECONDS, check=False)
        return done.returncode, done.stdout + done.stderr

    def compiled(self, **modules):
        """What the compiler has to say of modules: by name, their objects."""
        for name, objects in modules.items():
            (self.place / f"{name}.ts").write_text(typescript(objects), encoding="utf-8")
        config = {"compilerOptions": OPTIONS, "include": ["*.ts"]}
        (self.place / "tsconfig.json").write_text(json.dumps(config), encoding="utf-8")
        return self.node(PEERS / "node_modules" / "typescript" / "bin" / "tsc", "--project", ".", "--pretty", "false")

    def validated(self, objects):
        """What the packages' own validation has to say."""
        (self.place / "tried.js").write_text(script(objects), encoding="utf-8")
        code, said = self.node("tried.js")
        self.assertEqual(code, 0, said)
        return json.loads(said)

    def test_every_object_is_of_the_type_of_its_package(self):
        found = foreign()
        self.assertEqual({one["kind"] for _, one in found}, set(MODULES))
        triggers = {t["type"] for _, one in found if one["kind"] == "ScaledObject" for t in one["spec"]["triggers"]}
        self.assertEqual(triggers, {"metrics-api", "nats-jetstream"})
        code, said = self.compiled(objects=[one for _, one in found])
        self.assertEqual((code, said), (0, ""))

    def test_a_misspelt_or_missing_field_is_not(self):
        def first(kind):
            return copy.deepcopy(next(one for _, one in foreign() if one["kind"] == kind))

        changes = {
            "ScaledObject": ("minReplicaCounts", lambda one: one["spec"].update(minReplicaCounts=1)),
            "ServiceMonitor": ("intervall", lambda one: one["spec"]["endpoints"][0].update(intervall="15s")),
            "PrometheusRule": ("expression", lambda one: one["spec"]["groups"][0]["rules"][0].update(expression="up")),
            "HTTPRoute": ("backendRef", lambda one: one["spec"]["rules"][0].update(backendRef=[])),
        }
        modules = {}
        for kind, (_, change) in changes.items():
            one = first(kind)
            change(one)
            modules[kind.lower()] = [one]
        bare = first("ScaledObject")
        del bare["spec"]["scaleTargetRef"]["name"]
        code, said = self.compiled(bare=[bare], **modules)
        self.assertNotEqual(code, 0)
        for kind, (field, _) in changes.items():
            self.assertRegex(said, rf"{kind.lower()}\.ts.*: error TS.*\"{field}\"' does not exist in type")
        self.assertRegex(said, r"bare\.ts.*: error TS.*\"name\"' is missing in type")

    def test_every_object_passes_the_validation_of_its_package(self):
        self.assertEqual(self.validated([one for _, one in foreign()]), [])

    def test_a_value_out_of_bounds_does_not(self):
        one = copy.deepcopy(next(one for _, one in foreign() if one["kind"] == "ServiceMonitor"))
        one["spec"]["endpoints"][0]["interval"] = "soon"
        self.assertIn("interval", json.dumps(self.validated([one])))
