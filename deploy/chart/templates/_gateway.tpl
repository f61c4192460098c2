{{/* The environment of a gateway: dict root, who. */}}
{{- define "cuepoint.gateway.env" -}}
{{- $v := .root.Values -}}
{{- $g := $v.gateway -}}
{{- include "cuepoint.env.servers" .who -}}
{{- include "cuepoint.env.service" . -}}
{{- include "cuepoint.var" (list "CUEPOINT_HTTP" (printf "%s:%d" $v.listen ($v.ports.http | int))) -}}
{{- include "cuepoint.var" (list "CUEPOINT_DASHBOARD" $g.dashboard) -}}
{{- include "cuepoint.var" (list "CUEPOINT_PUBLIC_URL" $g.publicUrl) -}}
{{- include "cuepoint.var" (list "CUEPOINT_TRACE_URL" $g.traceUrl) -}}
{{- include "cuepoint.var" (list "CUEPOINT_DURABILITY" $g.durability) -}}
{{- include "cuepoint.var" (list "CUEPOINT_DRAIN_DELAY" $g.drainDelay) -}}
{{- include "cuepoint.var" (list "CUEPOINT_DRAIN_DEADLINE" $g.drainDeadline) -}}
{{- include "cuepoint.var" (list "CUEPOINT_BODY_BYTES" $g.limits.bodyBytes) -}}
{{- include "cuepoint.var" (list "CUEPOINT_BODY_MEMORY_BYTES" $g.limits.bodyMemoryBytes) -}}
{{- include "cuepoint.var" (list "CUEPOINT_CONNECTIONS" $g.limits.connections) -}}
{{- include "cuepoint.var" (list "CUEPOINT_WAITS" $g.limits.waits) -}}
{{- include "cuepoint.var" (list "CUEPOINT_FOLLOWERS" $g.limits.followers) -}}
{{- include "cuepoint.var" (list "CUEPOINT_PUBLISHES" $g.limits.publishes) -}}
{{- include "cuepoint.var" (list "CUEPOINT_QUEUE_TIME" $g.limits.queueTime) -}}
{{- include "cuepoint.var" (list "CUEPOINT_HEAD_TIME" $g.limits.headTime) -}}
{{- include "cuepoint.var" (list "CUEPOINT_BODY_TIME" $g.limits.bodyTime) -}}
{{- include "cuepoint.var" (list "CUEPOINT_IDLE_TIME" $g.limits.idleTime) -}}
{{- include "cuepoint.var" (list "CUEPOINT_RATE_PER_ADDRESS" $g.limits.ratePerAddress) -}}
{{- include "cuepoint.var" (list "CUEPOINT_TRUSTED_PROXIES" (join "," $g.trustedProxies)) -}}
{{- end -}}

{{- define "cuepoint.pdb" -}}
{{- if kindIs "invalid" .minAvailable -}}
maxUnavailable: {{ .maxUnavailable }}
{{- else -}}
minAvailable: {{ .minAvailable }}
{{- end }}
unhealthyPodEvictionPolicy: AlwaysAllow
{{- end -}}
