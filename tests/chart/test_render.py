"""Real Helm renders every value set, and Kubernetes' own schemas take what comes of it."""

import copy
import tempfile
import unittest

import helm_python
import kubernetes_validate

import flows
import links
import restricted
from chart import CHART, NAMESPACE, RELEASE, ROOT, SETS, documents, loaded, merge, named, objects, pods, read, rendered, texts

# The oldest Kubernetes that Chart.yaml takes, and the newest that there are schemas of.
OLDEST = loaded().metadata["kubeVersion"].removeprefix(">=").removesuffix(".0-0")
NEWEST = kubernetes_validate.latest_version()
# What Kubernetes does not bring: test_types.py sees to these.
FOREIGN = {"ScaledObject", "ServiceMonitor", "PrometheusRule", "HTTPRoute"}


def refused(one, version):
    """Why Kubernetes would refuse an object, with unknown fields being faults; nothing if it would not."""
    try:
        kubernetes_validate.validate(one, version, strict=True)
    except kubernetes_validate.ValidationError as error:
        return f"{named(one)}: {'.'.join(map(str, error.path))}: {error.message}"
    return None


class Render(unittest.TestCase):
    maxDiff = None

    def test_every_value_set_is_there(self):
        self.assertEqual([path.stem for path in SETS], ["existing-secrets", "keda", "minimal", "production", "tls-mtls"])

    def test_helm_lint_has_nothing_to_say(self):
        for path in SETS:
            with self.subTest(path.stem):
                report = helm_python.lint(CHART, read(path), strict=True, namespace="events")
                # Level 1 is advice: an icon.
                self.assertEqual([m for m in report["messages"] if m["severity"] > 1] + report["errors"], [])

    def test_every_object_passes_the_strict_schemas_of_kubernetes(self):
        count = 0
        for version in (OLDEST, NEWEST):
            for name, found in rendered().items():
                for one in (one for one in found if one["kind"] not in FOREIGN):
                    with self.subTest(f"{version} {name} {named(one)}"):
                        self.assertIsNone(refused(one, version))
                    count += 1
        self.assertGreater(count, 150)

    def test_a_misspelt_field_does_not_pass_them(self):
        one, pod = copy.deepcopy(pods(rendered()["minimal"])[0])
        self.assertIsNone(refused(one, NEWEST))
        pod["spec"]["terminationGracePeriodSecond"] = 5
        self.assertIn("terminationGracePeriodSecond", refused(one, NEWEST))

    def test_every_kind_that_the_chart_can_make_is_rendered_by_some_set(self):
        kinds = {one["kind"] for found in rendered().values() for one in found}
        self.assertEqual(kinds - FOREIGN, {
            "ConfigMap", "Deployment", "HorizontalPodAutoscaler", "Ingress", "Job", "NetworkPolicy", "Pod",
            "PodDisruptionBudget", "Service", "ServiceAccount"})
        self.assertEqual(kinds & FOREIGN, FOREIGN)

    def test_an_upgrade_has_the_same_objects_as_an_install(self):
        for path in SETS:
            self.assertEqual(objects(read(path), upgrade=True), rendered()[path.stem])

    def test_the_packed_chart_renders_the_same(self):
        with tempfile.TemporaryDirectory(prefix="chart-") as place:
            with helm_python.Chart.load(helm_python.package(CHART, destination=place)) as packed:
                for path in SETS:
                    self.assertEqual(packed.render(read(path), name=RELEASE, namespace=NAMESPACE, is_install=True), texts(read(path)))

    def test_a_key_that_stands_twice_is_found_out(self):
        with self.assertRaisesRegex(ValueError, "a stands twice"):
            documents("a: 1\nb: 2\na: 3\n")

    def test_a_release_of_a_long_name_keeps_within_the_bounds_of_kubernetes(self):
        values = merge(read(CHART / "ci" / "keda.yaml"), {"workers": {"p" * 15: {"keda": {"enabled": True}}}})
        found = loaded().render(values, name="a" * 53, namespace="b" * 63)
        names = [line.removeprefix("  name: ") for text in found.values() for line in text.splitlines() if line.startswith("  name: ")]
        # KEDA makes a label of a ScaledObject's name.
        self.assertEqual(max(map(len, names)), 63)
        self.assertIn("a" * 40 + "-worker-" + "p" * 15, names)

    def test_what_pods_are_started_anew_by(self):
        def templates(values):
            return {one["metadata"]["name"]: pod for one, pod in pods(objects(values)) if one["kind"] == "Deployment"}

        values = read(CHART / "ci" / "production.yaml")
        before = templates(values)
        changes = [
            ({"secrets": {"revision": "2"}}, set(before)),
            ({"settings": {"document": {"search": {}}}}, {name for name in before if "-worker-" in name}),
            ({"setup": {"deadBytes": 1 << 30}}, set()),
        ]
        for change, anew in changes:
            after = templates(merge(values, change))
            self.assertEqual({name for name in before if before[name] != after[name]}, anew, change)

    def test_notes_say_how_to_reach_it(self):
        notes = {path.stem: texts(read(path))["cuepoint/templates/NOTES.txt"] for path in SETS}
        self.assertIn("port-forward service/cuepoint-gateway 8787:80", notes["minimal"])
        self.assertIn("Streams have one replica", notes["minimal"])
        self.assertIn("https://events.example.com/v1", notes["production"])
        self.assertNotIn("Streams have one replica", notes["production"])
        self.assertIn("HTTPRoute cuepoint-gateway", notes["tls-mtls"])

    def test_the_alerts_are_those_of_the_observability_files(self):
        # A copy: a link out of the chart is not followed by everything that installs charts from a repository.
        source = ROOT / "deploy" / "observability" / "alerts.yaml"
        copied = CHART / "files" / "alerts.yaml"
        self.assertEqual(copied.read_text(encoding="utf-8"), source.read_text(encoding="utf-8"), f"cp {source} {copied}")
        rules = [one["spec"] for one in rendered()["production"] if one["kind"] == "PrometheusRule"]
        self.assertEqual(rules, [read(source)])


class Pods(unittest.TestCase):
    def test_every_pod_fits_the_restricted_profile(self):
        count = 0
        for name, found in rendered().items():
            for one, pod in pods(found):
                with self.subTest(f"{name} {named(one)}"):
                    self.assertEqual(restricted.faults(pod["spec"]), [])
                count += 1
        self.assertGreater(count, 15)

    def test_a_pod_that_does_not_fit_is_found_out(self):
        def security(spec):
            return spec["containers"][0]["securityContext"]

        changes = {
            "hostNetwork": lambda spec: spec.update(hostNetwork=True),
            "user 0": lambda spec: security(spec).update(runAsUser=0),
            "no seccompProfile": lambda spec: spec["securityContext"].pop("seccompProfile"),
            "a token of the API server": lambda spec: spec.pop("automountServiceAccountToken"),
            "of kind hostPath": lambda spec: spec["volumes"].append({"name": "x", "hostPath": {"path": "/"}}),
            "runAsNonRoot": lambda spec: security(spec).update(runAsNonRoot=False),
            "allowPrivilegeEscalation": lambda spec: security(spec).pop("allowPrivilegeEscalation"),
            "is privileged": lambda spec: security(spec).update(privileged=True),
            "does not drop ALL": lambda spec: security(spec).pop("capabilities"),
            "adds capabilities": lambda spec: security(spec)["capabilities"].update(add=["SYS_ADMIN"]),
            "its root file system": lambda spec: security(spec).pop("readOnlyRootFilesystem"),
            "no limit of memory": lambda spec: spec["containers"][0].pop("resources"),
            "a port of the node": lambda spec: spec["containers"][0]["ports"][0].update(hostPort=8787),
        }
        for says, change in changes.items():
            with self.subTest(says):
                spec = copy.deepcopy(next(pod for _, pod in pods(rendered()["production"]))["spec"])
                change(spec)
                faults = restricted.faults(spec)
                self.assertTrue(len(faults) == 1 and says in faults[0], faults)


class Links(unittest.TestCase):
    def test_everything_that_is_named_selected_or_mounted_is_there(self):
        for name, found in rendered().items():
            with self.subTest(name):
                self.assertEqual(links.faults(found) + list(flows.faults(found)), [])

    def test_what_is_not_there_is_found_out(self):
        def of(found, kind, end=""):
            return next(one for one in found if one["kind"] == kind and one["metadata"]["name"].endswith(end))

        def container(found, end):
            return of(found, "Deployment", end)["spec"]["template"]["spec"]["containers"][0]

        changes = [
            ("production", "Service cuepoint-gateway selects no Pod",
             lambda found: of(found, "Service", "-gateway")["spec"]["selector"].update({"app.kubernetes.io/component": "door"})),
            ("production", "PodDisruptionBudget cuepoint-worker-turns selects Pods of",
             lambda found: of(found, "PodDisruptionBudget", "-turns")["spec"]["selector"]["matchLabels"].pop("cuepoint/pool")),
            ("production", "NetworkPolicy cuepoint-worker selects no Pod",
             lambda found: of(found, "NetworkPolicy", "-worker")["spec"]["podSelector"]["matchLabels"].update(x="y")),
            ("production", "HorizontalPodAutoscaler cuepoint-gateway scales",
             lambda found: of(found, "HorizontalPodAutoscaler")["spec"]["scaleTargetRef"].update(name="gateway")),
            ("production", "goes to port http",
             lambda found: container(found, "-gateway")["ports"].pop(0)),
            ("production", "Ingress cuepoint-gateway goes to",
             lambda found: of(found, "Ingress")["spec"]["rules"][0]["http"]["paths"][0]["backend"]["service"].update(name="x")),
            ("production", "finds Services of gateway",
             lambda found: of(found, "Service", "-worker-ops")["metadata"]["labels"].pop("cuepoint/ops")),
            ("production", "which is not there yet",
             lambda found: of(found, "ServiceAccount", "-setup")["metadata"].pop("annotations")),
            ("production", "is killed after",
             lambda found: of(found, "Deployment", "-gateway")["spec"]["template"]["spec"].update(terminationGracePeriodSeconds=80)),
            ("production", "mounts ['settings.yaml'] of ConfigMap",
             lambda found: of(found, "ConfigMap")["data"].pop("settings.yaml")),
            ("production", "Deployment cuepoint-gateway may not go to port 6379 of CUEPOINT_REDIS",
             lambda found: of(found, "NetworkPolicy", "-gateway")["spec"]["egress"].pop(2)),
            ("production", "nobody may call port ops of Deployment cuepoint-worker-turns",
             lambda found: of(found, "NetworkPolicy", "-worker")["spec"]["ingress"].pop()),
            ("minimal", "Pod cuepoint-test may not go to port 8787 of CUEPOINT_HTTP",
             lambda found: of(found, "NetworkPolicy", "-test")["spec"]["egress"].pop()),
            ("minimal", "Job cuepoint-setup has 0 policies",
             lambda found: found.remove(of(found, "NetworkPolicy", "-setup"))),
            ("minimal", "ConfigMap cuepoint-bots is mounted by nobody",
             lambda found: found.remove(of(found, "Job", "-apply"))),
            ("keda", "ScaledObject cuepoint-worker-main asks",
             lambda found: of(found, "Service", "-gateway-ops")["metadata"].update(name="x")),
            ("keda", "Deployment cuepoint-worker-main is scaled, and says its replicas",
             lambda found: of(found, "Deployment", "-main")["spec"].update(replicas=2)),
            ("tls-mtls", "HTTPRoute cuepoint-gateway goes to",
             lambda found: of(found, "Service", "-gateway")["spec"]["ports"][0].update(port=81)),
        ]
        for which, says, change in changes:
            with self.subTest(says):
                found = copy.deepcopy(rendered()[which])
                change(found)
                faults = links.faults(found) + list(flows.faults(found))
                self.assertTrue(any(says in line for line in faults), faults)
