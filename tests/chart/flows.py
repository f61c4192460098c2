"""Whether NetworkPolicies let through what has to pass: where a Pod's variables say it goes, and callers of its ports."""

import re

from chart import named, pods
from links import of_kind, selects

SCHEMES = {"nats": 4222, "tls": 4222, "redis": 6379, "rediss": 6379, "http": 80, "https": 443}
# Variables with addresses. That of an HTTP server is one for clients alone; for a gateway it is where it listens.
ADDRESSES = ("CUEPOINT_NATS", "CUEPOINT_REDIS", "CUEPOINT_HTTP", "OTEL_EXPORTER_OTLP_ENDPOINT")


def destinations(container):
    """Hosts and ports of a container's variables, each with its variable; an address of a Secret is not known."""
    for env in container["env"]:
        for address in env.get("value", "").split(",") if env["name"] in ADDRESSES else []:
            found = re.fullmatch(r"([a-z]+)://(?:[^@/]*@)?([^:/]+)(?::(\d+))?(?:/.*)?", address)
            if found:
                yield env["name"], found[2], int(found[3] or SCHEMES[found[1]])


def behind(objects, host, port):
    """The port of the Pods behind a Service of ours, of which policies speak; another's is what it is."""
    for service in (one["spec"] for one in of_kind(objects, "Service") if one["metadata"]["name"] == host):
        targets = [one["targetPort"] for one in service["ports"] if one["port"] == port]
        for _, pod in pods(objects):
            if selects(service["selector"], pod["metadata"]["labels"]):
                return next((p["containerPort"] for p in pod["spec"]["containers"][0]["ports"] if p["name"] in targets), None)
    return port


def faults(objects):
    """What cannot pass, each as a line; without policies all may."""
    policies = of_kind(objects, "NetworkPolicy")
    for one, pod in pods(objects) if policies else []:
        ours = [policy["spec"] for policy in policies if selects(policy["spec"]["podSelector"]["matchLabels"], pod["metadata"]["labels"])]
        if len(ours) != 1:
            yield f"{named(one)} has {len(ours)} policies"
            continue
        container = pod["spec"]["containers"][0]
        out = {port["port"] for rule in ours[0]["egress"] for port in rule["ports"]}
        for name, host, port in [("DNS", "", 53), *destinations(container)]:
            if behind(objects, host, port) not in out:
                yield f"{named(one)} may not go to port {behind(objects, host, port)} of {name}"
        into = {port["port"] for rule in ours[0]["ingress"] for port in rule["ports"]}
        for port in container.get("ports", []):
            if port["containerPort"] not in into:
                yield f"nobody may call port {port['name']} of {named(one)}"
