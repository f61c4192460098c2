"""The chart as Helm renders it, and what its value sets are.

Helm is the real one, by PyPI's helm-python-sdk; no cluster is asked.
"""

import functools
import pathlib

import helm_python
import yaml

ROOT = pathlib.Path(__file__).resolve().parents[2]
CHART = ROOT / "deploy" / "chart"
SETS = sorted((CHART / "ci").glob("*.yaml"))
RELEASE = "cuepoint"
NAMESPACE = "events"


class Once(yaml.SafeLoader):
    """YAML in which a key stands once: the API server refuses it twice, and PyYAML would take the last."""

    def construct_mapping(self, node, deep=False):
        keys = [self.construct_object(key, deep=True) for key, _ in node.value]
        if len(keys) != len(set(keys)):
            raise ValueError(f"{max(keys, key=keys.count)} stands twice in a map: {node.start_mark}")
        return super().construct_mapping(node, deep)


def documents(text):
    """The objects of a file."""
    return [one for one in yaml.load_all(text, Loader=Once) if one]


def read(path):
    """The YAML of a file, which holds one object."""
    [whole] = documents(path.read_text(encoding="utf-8"))
    return whole


def merge(under, over):
    """Values as Helm lays one file over another: maps by key, all else as a whole."""
    whole = dict(under)
    for key, value in over.items():
        both = isinstance(value, dict) and isinstance(whole.get(key), dict)
        whole[key] = merge(whole[key], value) if both else value
    return whole


@functools.cache
def loaded():
    """The chart, read once."""
    return helm_python.Chart.load(CHART)


def texts(values, upgrade=False):
    """What each template became, by its path."""
    return loaded().render(values, name=RELEASE, namespace=NAMESPACE, is_install=not upgrade, is_upgrade=upgrade)


def objects(values, upgrade=False):
    """All objects of a release, in the order of their templates; notes are none."""
    found = []
    for path, text in sorted(texts(values, upgrade).items()):
        if path.endswith((".yaml", ".yml")):
            found += documents(text)
    return found


@functools.cache
def rendered():
    """The objects of each value set, by its name."""
    return {path.stem: objects(read(path)) for path in SETS}


def named(one):
    """How a message calls an object."""
    return f"{one['kind']} {one['metadata']['name']}"


def pod(one):
    """The Pod that an object is or makes: its metadata and spec, or nothing."""
    if one["kind"] == "Pod":
        return one
    return one.get("spec", {}).get("template") if one["kind"] in ("Deployment", "StatefulSet", "Job") else None


def pods(of):
    """The objects that have Pods, each with its Pod."""
    return [(one, pod(one)) for one in of if pod(one)]
