"""The servers of a trial, deploy/k8s, and the Secrets that its script makes."""

import base64
import subprocess

from chart import ROOT, documents

TRIAL = ROOT / "deploy" / "k8s"
MANIFESTS = sorted(path for path in TRIAL.glob("*.yaml") if path.name != "values.yaml")


def manifests():
    """The objects of the trial's servers."""
    return [one for path in MANIFESTS for one in documents(path.read_text(encoding="utf-8"))]


def printed(made):
    """The Secrets that the script prints for a directory of `cuepoint nats-config`."""
    done = subprocess.run([TRIAL / "secrets.sh", made], capture_output=True, text=True, timeout=20, check=True)
    return documents(done.stdout)


def secrets(made):
    """The same, as {name: {key: text}}."""
    return {one["metadata"]["name"]: {key: base64.b64decode(held).decode() for key, held in one["data"].items()} for one in printed(made)}
