"""The restricted profile of Kubernetes' Pod Security Standards, as far as Linux Pods go.

`faults` says what a Pod breaks; a Pod that breaks nothing is let in by
`pod-security.kubernetes.io/enforce: restricted`. Ours also have what the profile does not ask for:
a root file system that cannot be written, no token of the API server, and a limit of memory.
"""

VOLUMES = {"configMap", "csi", "downwardAPI", "emptyDir", "ephemeral", "persistentVolumeClaim", "projected", "secret"}
CONTAINERS = ("containers", "initContainers", "ephemeralContainers")


def faults(spec):
    """What a Pod's spec breaks, each as a line."""
    found = []

    def expect(holds, what):
        if not holds:
            found.append(what)

    own = spec.get("securityContext", {})
    for shared in ("hostNetwork", "hostPID", "hostIPC"):
        expect(not spec.get(shared), f"{shared} is set")
    expect(not own.get("sysctls"), "sysctls are set")
    expect(own.get("runAsUser", 1) != 0, "the Pod runs as user 0")
    expect(own.get("seccompProfile", {}).get("type") in ("RuntimeDefault", "Localhost"), "the Pod has no seccompProfile")
    expect(spec.get("automountServiceAccountToken") is False, "the Pod gets a token of the API server")
    for volume in spec.get("volumes", []):
        kinds = set(volume) - {"name"}
        expect(kinds <= VOLUMES and kinds, f"volume {volume['name']} is of kind {', '.join(sorted(kinds)) or 'none'}")
    for container in (one for kind in CONTAINERS for one in spec.get(kind) or []):
        name = container["name"]
        mine = container.get("securityContext", {})
        expect(mine.get("runAsNonRoot", own.get("runAsNonRoot")) is True, f"{name}: runAsNonRoot is not true")
        expect(mine.get("runAsUser", 1) != 0, f"{name} runs as user 0")
        expect(mine.get("allowPrivilegeEscalation") is False, f"{name}: allowPrivilegeEscalation is not false")
        expect(not mine.get("privileged"), f"{name} is privileged")
        expect(mine.get("capabilities", {}).get("drop") == ["ALL"], f"{name} does not drop ALL capabilities")
        expect(set(mine.get("capabilities", {}).get("add", [])) <= {"NET_BIND_SERVICE"}, f"{name} adds capabilities")
        expect(mine.get("seccompProfile", {}).get("type") != "Unconfined", f"{name} is unconfined")
        expect(mine.get("procMount", "Default") == "Default", f"{name} unmasks /proc")
        expect(mine.get("readOnlyRootFilesystem") is True, f"{name} may write to its root file system")
        expect("memory" in container.get("resources", {}).get("limits", {}), f"{name} has no limit of memory")
        expect(not any(port.get("hostPort") for port in container.get("ports", [])), f"{name} takes a port of the node")
        for probe in ("livenessProbe", "readinessProbe", "startupProbe"):
            how = container.get(probe, {})
            asked = how.get("httpGet") or how.get("tcpSocket") or {}
            expect(not asked.get("host"), f"{name}: {probe} names a host")
    return found
