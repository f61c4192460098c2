"""Whether the objects of a release fit together: what names, selects or mounts another finds it."""

import re

from chart import named, pods

UNITS = {"ms": 0.001, "s": 1, "m": 60, "h": 3600}


def seconds(duration):
    """A duration as the programs take it, in seconds."""
    return sum(int(count) * UNITS[unit] for count, unit in re.findall(r"([0-9]+)(ms|s|m|h)", duration))


def selects(selector, labels):
    """Whether a selector of labels has something to say, and holds."""
    return bool(selector) and all(labels.get(key) == value for key, value in selector.items())


def of_kind(objects, *kinds):
    return [one for one in objects if one["kind"] in kinds]


def selected(objects):
    """The Pods of a release by their labels, with who makes them."""
    return [(one, pod["metadata"]["labels"]) for one, pod in pods(objects)]


def faults(objects):
    """What does not fit among a release's objects, each as a line."""
    checks = (twice, selectors, services, targets, monitors, mounts, accounts, grace, spread)
    return [line for check in checks for line in check(objects)]


def twice(objects):
    names = [named(one) for one in objects]
    return [f"{name} is there twice" for name in sorted({name for name in names if names.count(name) > 1})]


def selectors(objects):
    """Services, budgets and policies select a Pod; a Deployment its own and no other's."""
    for one in of_kind(objects, "Service", "PodDisruptionBudget", "NetworkPolicy", "Deployment"):
        spec = one["spec"]
        selector = spec["podSelector"]["matchLabels"] if one["kind"] == "NetworkPolicy" else spec["selector"]
        selector = selector.get("matchLabels", selector)
        makers = [maker for maker, labels in selected(objects) if selects(selector, labels)]
        if not makers:
            yield f"{named(one)} selects no Pod"
        if one["kind"] in ("Deployment", "PodDisruptionBudget") and len(makers) > 1:
            yield f"{named(one)} selects Pods of {', '.join(map(named, makers))}"
        if one["kind"] == "Deployment" and makers and makers != [one]:
            yield f"{named(one)} does not select its own Pods"


def services(objects):
    """A Service's ports are named ports of the containers that it selects; what routes to it finds its port."""
    ports = {}
    for one in of_kind(objects, "Service"):
        ports[one["metadata"]["name"]] = one["spec"]["ports"]
        for maker, pod in pods(objects):
            if selects(one["spec"]["selector"], pod["metadata"]["labels"]):
                has = {port["name"] for container in pod["spec"]["containers"] for port in container.get("ports", [])}
                for port in one["spec"]["ports"]:
                    if port["targetPort"] not in has:
                        yield f"{named(one)} goes to port {port['targetPort']}, which {named(maker)} has not"
    for one in of_kind(objects, "Ingress"):
        for path in (path for rule in one["spec"]["rules"] for path in rule["http"]["paths"]):
            to = path["backend"]["service"]
            if to["port"]["name"] not in [port["name"] for port in ports.get(to["name"], [])]:
                yield f"{named(one)} goes to {to}, which is not there"
    for one in of_kind(objects, "HTTPRoute"):
        for to in (to for rule in one["spec"]["rules"] for to in rule["backendRefs"]):
            if to["port"] not in [port["port"] for port in ports.get(to["name"], [])]:
                yield f"{named(one)} goes to {to}, which is not there"
    for one in of_kind(objects, "ScaledObject"):
        for url in (trigger["metadata"].get("url") for trigger in one["spec"]["triggers"]):
            if url:
                name, port = re.fullmatch(r"http://([^.]+)\.[a-z0-9-]+\.svc\.cluster\.local:(\d+)/runnable", url).groups()
                if int(port) not in [port["port"] for port in ports.get(name, [])]:
                    yield f"{named(one)} asks {url}, which is not there"


def targets(objects):
    """Who scales a Deployment finds it, is the only one to, and is not gainsaid by its replicas."""
    deployments = {one["metadata"]["name"]: one for one in of_kind(objects, "Deployment")}
    seen = []
    for one in of_kind(objects, "HorizontalPodAutoscaler", "ScaledObject"):
        target = one["spec"]["scaleTargetRef"]
        found = deployments.get(target["name"])
        if not found or (target["apiVersion"], target["kind"]) != (found["apiVersion"], "Deployment"):
            yield f"{named(one)} scales {target}, which is not there"
            continue
        if target["name"] in seen:
            yield f"{named(found)} is scaled twice"
        seen.append(target["name"])
        if "replicas" in found["spec"]:
            yield f"{named(found)} is scaled, and says its replicas"
    for name, one in deployments.items():
        if name not in seen and not one["spec"].get("replicas"):
            yield f"{named(one)} does not say its replicas"


def monitors(objects):
    """A ServiceMonitor finds a Service of gateways and one of workers, each with its port."""
    for one in of_kind(objects, "ServiceMonitor"):
        found = [s for s in of_kind(objects, "Service") if selects(one["spec"]["selector"]["matchLabels"], s["metadata"]["labels"])]
        parts = {service["metadata"]["labels"]["app.kubernetes.io/component"] for service in found}
        if parts != {"gateway", "worker"}:
            yield f"{named(one)} finds Services of {', '.join(sorted(parts)) or 'nobody'}"
        for port in (endpoint["port"] for endpoint in one["spec"]["endpoints"]):
            if any(port not in [one["name"] for one in service["spec"]["ports"]] for service in found):
                yield f"{named(one)} asks port {port}, which a Service has not"


def sources(volume):
    """The ConfigMaps and Secrets of a volume: kind, name, and the keys that are meant, each with its path there."""
    each = volume["projected"]["sources"] if "projected" in volume else [volume]
    for one in each:
        for kind, where in (("ConfigMap", one.get("configMap")), ("Secret", one.get("secret"))):
            if where:
                yield kind, where.get("name") or where["secretName"], [(item["key"], item["path"]) for item in where.get("items", [])]


def mounts(objects):
    """What is mounted is a volume, every volume is mounted, and what bears the release's name was made by it."""
    made = {(one["kind"], one["metadata"]["name"]): one for one in of_kind(objects, "ConfigMap", "Secret")}
    used = set()
    for one, pod in pods(objects):
        volumes = {volume["name"] for volume in pod["spec"].get("volumes", [])}
        volumes |= {claim["metadata"]["name"] for claim in one["spec"].get("volumeClaimTemplates", [])}
        mounted = {mount["name"] for container in pod["spec"]["containers"] for mount in container.get("volumeMounts", [])}
        if volumes != mounted:
            yield f"{named(one)} has volumes {sorted(volumes)}, and mounts {sorted(mounted)}"
        for kind, name, keys in (found for volume in pod["spec"].get("volumes", []) for found in sources(volume)):
            used.add((kind, name))
            wanted = [key for key, _ in keys]
            if (kind, name) in made and not set(wanted) <= set(made[kind, name]["data"]):
                yield f"{named(one)} mounts {wanted} of {kind} {name}, which has {sorted(made[kind, name]['data'])}"
    yield from (f"{kind} {name} is mounted by nobody" for kind, name in sorted(set(made) - used))


def accounts(objects):
    """A named ServiceAccount is there, and a hook's is a hook too, of the same moment and before it."""
    made = {one["metadata"]["name"]: one for one in of_kind(objects, "ServiceAccount")}
    for one, pod in pods(objects):
        name = pod["spec"].get("serviceAccountName")
        notes = one["metadata"].get("annotations", {})
        hook, weight = notes.get("helm.sh/hook"), int(notes.get("helm.sh/hook-weight", 0))
        if name is None:
            continue
        if name not in made:
            yield f"{named(one)} runs as {name}, which is not there"
            continue
        theirs = made[name]["metadata"].get("annotations", {})
        if theirs.get("helm.sh/hook") != hook or (hook and int(theirs["helm.sh/hook-weight"]) >= weight):
            yield f"{named(one)} runs as {name}, which is not there yet"


def grace(objects):
    """A Pod has longer to end than its program takes: delay and deadline together."""
    for one in of_kind(objects, "Deployment"):
        spec = one["spec"]["template"]["spec"]
        env = {each["name"]: each.get("value") for each in spec["containers"][0]["env"]}
        takes = sum(seconds(env[name]) for name in ("CUEPOINT_DRAIN_DELAY", "CUEPOINT_DRAIN_DEADLINE") if name in env)
        if "CUEPOINT_DRAIN_DEADLINE" not in env or spec["terminationGracePeriodSeconds"] < takes + 5:
            yield f"{named(one)} is killed after {spec['terminationGracePeriodSeconds']} s, and takes {takes} s to end"


def spread(objects):
    """Pods are spread among those of their own Deployment."""
    for one in of_kind(objects, "Deployment"):
        template = one["spec"]["template"]
        for constraint in template["spec"].get("topologySpreadConstraints", []):
            if constraint["labelSelector"]["matchLabels"] != one["spec"]["selector"]["matchLabels"]:
                yield f"{named(one)} spreads by the labels of others"
