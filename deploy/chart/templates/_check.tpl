{{/* What a schema cannot say: combinations. Each message names the value, and what to do. */}}
{{- define "cuepoint.check" -}}
{{- $v := .Values -}}
{{- if not $v.nats.url }}{{ fail "nats.url is empty: say where NATS is, such as nats://nats.messaging.svc:4222" }}{{ end -}}
{{- if not (or $v.redis.url $v.redis.urlSecret.name) }}{{ fail "redis.url and redis.urlSecret.name are empty: say where Redis is, such as redis://redis.cache.svc:6379" }}{{ end -}}
{{- if and $v.redis.url $v.redis.urlSecret.name }}{{ fail "redis.url and redis.urlSecret.name are both set: take one away" }}{{ end -}}
{{- if not $v.secrets.deploymentKey.name }}{{ fail "secrets.deploymentKey.name is empty: make a Secret with at least 16 random bytes and name it (docs/kubernetes.md)" }}{{ end -}}
{{- include "cuepoint.check.tls" . -}}
{{- include "cuepoint.check.users" . -}}
{{- include "cuepoint.check.labels" (dict "labels" $v.commonLabels "where" "commonLabels") -}}
{{- include "cuepoint.check.labels" (dict "labels" $v.gateway.podLabels "where" "gateway.podLabels") -}}
{{- include "cuepoint.check.gateway" . -}}
{{- include "cuepoint.check.workers" . -}}
{{- if and $v.ingress.enabled (not $v.ingress.hosts) }}{{ fail "ingress.enabled without ingress.hosts: name the host that callers use" }}{{ end -}}
{{- if and $v.httpRoute.enabled (not $v.httpRoute.parentRefs) }}{{ fail "httpRoute.enabled without httpRoute.parentRefs: name the Gateway that takes the route" }}{{ end -}}
{{- if and $v.bots.existing $v.bots.files }}{{ fail "bots.files and bots.existing are both set: take one away" }}{{ end -}}
{{- if and $v.settings.existing.name $v.settings.document }}{{ fail "settings.document and settings.existing.name are both set: take one away" }}{{ end -}}
{{- if and $v.test.triggerSecret.name (not $v.test.trigger) }}{{ fail "test.triggerSecret.name without test.trigger: say which trigger the secret is of" }}{{ end -}}
{{- end -}}

{{- define "cuepoint.check.tls" -}}
{{- $v := .Values -}}
{{- $any := $v.nats.tls.clientSecret -}}
{{- range $v.nats.users }}{{ if .tlsSecret }}{{ $any = .tlsSecret }}{{ end }}{{ end -}}
{{- if and $any (not $v.nats.tls.ca.secret) (not (contains "tls://" $v.nats.url)) }}{{ fail "a client certificate for NATS without TLS: write tls:// in nats.url, or name nats.tls.ca.secret" }}{{ end -}}
{{- if and $v.redis.url (not (hasPrefix "rediss://" $v.redis.url)) (or $v.redis.tls.ca.secret $v.redis.tls.clientSecret) }}{{ fail "redis.tls without TLS: write rediss:// in redis.url" }}{{ end -}}
{{- if and $v.redis.passwordSecret.name $v.redis.urlSecret.name }}{{ fail "redis.passwordSecret.name beside redis.urlSecret.name: put the password into one of them" }}{{ end -}}
{{- end -}}

{{- define "cuepoint.check.users" -}}
{{- $v := .Values -}}
{{- $wanted := dict "gateway.natsUser" $v.gateway.natsUser -}}
{{- if $v.setup.enabled }}{{ $_ := set $wanted "setup.natsUser" $v.setup.natsUser }}{{ end -}}
{{- if or $v.bots.files $v.bots.existing }}{{ $_ := set $wanted "bots.natsUser" $v.bots.natsUser }}{{ end -}}
{{- range $pool, $w := include "cuepoint.pools" . | fromYaml }}{{ $_ := set $wanted (printf "workers.%s.natsUser" $pool) $w.natsUser }}{{ end -}}
{{- if ne $v.nats.auth "none" -}}
{{- range $where, $user := $wanted -}}
{{- if not (get $v.nats.users $user | default dict).secret }}{{ fail (printf "%s is %q, and nats.users.%s.secret names no Secret: add it, or set nats.auth to none" $where $user $user) }}{{ end -}}
{{- end -}}
{{- end -}}
{{- end -}}

{{/* A budget that lets nobody go stops every drain of a node: dict pdb, replicas, where. */}}
{{- define "cuepoint.check.pdb" -}}
{{- if and .pdb.enabled (kindIs "invalid" .pdb.minAvailable) (eq (toString .pdb.maxUnavailable) "0") }}{{ fail (printf "%s.pdb.maxUnavailable is 0: no node could be drained; make it at least 1" .where) }}{{ end -}}
{{- if and .pdb.enabled (not (kindIs "invalid" .pdb.minAvailable)) (not (kindIs "string" .pdb.minAvailable)) -}}
{{- if ge (int .pdb.minAvailable) (int .replicas) }}{{ fail (printf "%s.pdb.minAvailable is %d with %d replicas: no node could be drained; make it smaller" .where (int .pdb.minAvailable) (int .replicas)) }}{{ end -}}
{{- end -}}
{{- end -}}

{{/* Selectors are made of these, and must not change: dict labels, where. */}}
{{- define "cuepoint.check.labels" -}}
{{- range $name, $value := .labels -}}
{{- if regexMatch "^(app\\.kubernetes\\.io|helm\\.sh|cuepoint)/" $name }}{{ fail (printf "%s sets %s, which is the chart's: take another name" $.where $name) }}{{ end -}}
{{- end -}}
{{- end -}}

{{- define "cuepoint.check.gateway" -}}
{{- $g := .Values.gateway -}}
{{- $a := $g.autoscaling -}}
{{- if and $a.enabled (gt (int $a.minReplicas) (int $a.maxReplicas)) }}{{ fail (printf "gateway.autoscaling.minReplicas is %d and maxReplicas %d: the first must not be larger" (int $a.minReplicas) (int $a.maxReplicas)) }}{{ end -}}
{{- if and $a.enabled (not (dig "requests" "cpu" "" $g.resources)) }}{{ fail "gateway.autoscaling.enabled without gateway.resources.requests.cpu, of which cpuPercent is a share: say how much" }}{{ end -}}
{{- include "cuepoint.check.pdb" (dict "pdb" $g.pdb "replicas" (ternary $a.minReplicas $g.replicas $a.enabled) "where" "gateway") -}}
{{- $l := $g.limits -}}
{{- if and $l.bodyBytes $l.bodyMemoryBytes -}}
{{- if lt (int64 $l.bodyMemoryBytes) (mul 2 (int64 $l.bodyBytes)) }}{{ fail "gateway.limits.bodyMemoryBytes must be at least twice gateway.limits.bodyBytes" }}{{ end -}}
{{- end -}}
{{- if eq (int .Values.ports.http) (int .Values.ports.ops) }}{{ fail (printf "ports.http and ports.ops are both %d: the operations port must not be reached by callers; give it another" (int .Values.ports.ops)) }}{{ end -}}
{{- end -}}

{{- define "cuepoint.check.workers" -}}
{{- $pools := include "cuepoint.pools" . | fromYaml -}}
{{- $roles := list -}}
{{- range $pool, $w := $pools -}}
{{- $where := printf "workers.%s" $pool -}}
{{- $roles = concat $roles $w.roles -}}
{{- include "cuepoint.check.labels" (dict "labels" $w.podLabels "where" (printf "%s.podLabels" $where)) -}}
{{- $drain := include "cuepoint.seconds" $w.drainDeadline | int -}}
{{- if gt $drain 600 }}{{ fail (printf "%s.drainDeadline is %s: no turn takes longer than 10m, so at most that" $where $w.drainDeadline) }}{{ end -}}
{{- if lt $drain 1 }}{{ fail (printf "%s.drainDeadline is %s: it must be longer than 0s" $where $w.drainDeadline) }}{{ end -}}
{{- include "cuepoint.check.pdb" (dict "pdb" $w.pdb "replicas" (ternary $w.keda.minReplicas $w.replicas $w.keda.enabled) "where" $where) -}}
{{- if $w.keda.enabled -}}
{{- if not (has "turns" $w.roles) }}{{ fail (printf "%s.keda.enabled, and its roles have no turns: runnable sessions say nothing about other work; set replicas instead" $where) }}{{ end -}}
{{- if gt (int $w.keda.minReplicas) (int $w.keda.maxReplicas) }}{{ fail (printf "%s.keda.minReplicas is %d and maxReplicas %d: the first must not be larger" $where (int $w.keda.minReplicas) (int $w.keda.maxReplicas)) }}{{ end -}}
{{- if and (eq $w.keda.scaler "lag") (not (and $w.keda.jetstream.stream $w.keda.jetstream.monitoringEndpoint)) }}{{ fail (printf "%s.keda.scaler is lag: name keda.jetstream.monitoringEndpoint, and as keda.jetstream.stream what `cuepoint setup` prints (EVENTS_...)" $where) }}{{ end -}}
{{- end -}}
{{- end -}}
{{- range list "turns" "index" "deliver" -}}
{{- if not (has . $roles) }}{{ fail (printf "no pool of workers has the role %s: add it to one, or a pool of its own" .) }}{{ end -}}
{{- end -}}
{{- end -}}
