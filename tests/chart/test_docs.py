"""docs/kubernetes.md speaks of values that there are, and its examples render."""

import re
import unittest

import links
from chart import CHART, ROOT, documents, loaded, merge, objects, read

PAGE = (ROOT / "docs" / "kubernetes.md").read_text(encoding="utf-8")
EXAMPLES = re.findall(r"```yaml\n(.*?)```", PAGE, flags=re.DOTALL)
# Keys of Secrets, which look like paths of values.
KEYS = {"nats.nk"}
# What a path may begin with where the page speaks of a pool.
POOL = ("keda",)


def known(path):
    """Whether the chart has a value of this path; a name in angles is anybody's."""
    names = path.split(".")
    here = loaded().values
    if names[0] in POOL:
        here = here["workerDefaults"]
    for name in names:
        if name.startswith("<"):
            return True
        if not isinstance(here, dict) or name not in here:
            return False
        here = here[name]
    return True


class Docs(unittest.TestCase):
    def test_examples_render_and_fit_together(self):
        self.assertEqual(len(EXAMPLES), 4)
        for text in EXAMPLES:
            [values] = documents(text)
            found = objects(merge(read(CHART / "ci" / "minimal.yaml"), values))
            self.assertEqual(links.faults(found), [], text)

    def test_every_value_that_the_page_names_is_one(self):
        sections = set(loaded().values) | set(POOL)
        named = {path for path in re.findall(r"`([a-z][A-Za-z]*(?:\.[A-Za-z<>]+)+)`", PAGE) if path.split(".")[0] in sections} - KEYS
        self.assertGreater(len(named), 40)
        self.assertEqual([path for path in sorted(named) if not known(path)], [])
        self.assertFalse(known("gateway.replica"))

    def test_the_table_of_grace_is_what_is_rendered(self):
        found = {one["metadata"]["name"]: one for one in objects(read(CHART / "ci" / "keda.yaml")) if one["kind"] == "Deployment"}
        for name, seconds in (("cuepoint-gateway", 40), ("cuepoint-worker-rest", 70)):
            self.assertEqual(found[name]["spec"]["template"]["spec"]["terminationGracePeriodSeconds"], seconds)
            self.assertIn(f"= {seconds} |", PAGE)
