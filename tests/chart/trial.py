"""The servers of a trial, deploy/k8s, and the Secrets that its script makes."""

import base64
import subprocess

import yaml

from chart import ROOT

TRIAL = ROOT / "deploy" / "k8s"
MANIFESTS = sorted(path for path in TRIAL.glob("*.yaml") if path.name != "values.yaml")


def manifests():
    """The objects of the trial's servers."""
    return [one for path in MANIFESTS for one in yaml.safe_load_all(path.read_text(encoding="utf-8"))]


def printed(made):
    """The Secrets that the script prints for a directory of `cuepoint nats-config`."""
    done = subprocess.run([TRIAL / "secrets.sh", made], capture_output=True, text=True, timeout=20, check=True)
    return list(yaml.safe_load_all(done.stdout))


def secrets(made):
    """The same, as {name: {key: text}}."""
    return {one["metadata"]["name"]: {key: base64.b64decode(held).decode() for key, held in one["data"].items()} for one in printed(made)}
