"""Values that cannot work are refused before anything is installed, by a message that names them."""

import re
import unittest

import helm_python

from chart import CHART, ROOT, merge, objects, read

GOOD = read(CHART / "ci" / "minimal.yaml")
BAD = read(ROOT / "tests" / "chart" / "bad.yaml")


class Bad(unittest.TestCase):
    def test_values_that_cannot_work_are_refused_by_name(self):
        self.assertGreater(len(BAD), 30)
        self.assertTrue(objects(GOOD))
        for one in BAD:
            with self.subTest(one["why"]):
                with self.assertRaises((helm_python.HelmValuesError, helm_python.HelmRenderError)) as raised:
                    objects(merge(GOOD, one["values"]))
                for part in one["says"]:
                    self.assertIn(part, str(raised.exception))

    def test_every_refusal_of_the_templates_is_tried(self):
        heard = []
        for one in BAD:
            with self.assertRaises(helm_python.HelmError) as raised:
                objects(merge(GOOD, one["values"]))
            heard.append(str(raised.exception))
        written = []
        for path in sorted((CHART / "templates").iterdir()):
            written += re.findall(r'fail (?:\(printf )?"([^"]+)"', path.read_text(encoding="utf-8"))
        self.assertGreater(len(written), 20)
        for message in written:
            pattern = re.sub(r"%[sdq]", ".*", re.escape(message))
            self.assertTrue(any(re.search(pattern, one) for one in heard), f"never heard: {message}")
