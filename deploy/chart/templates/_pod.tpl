{{/*
What every Pod has: the restricted security profile, the Secrets as files in one volume, and the environment.

A `who` is a dict: root, user (of NATS), and what it needs beyond NATS: deployment (the deployment key, whatever
else there is), seals (the keys that seal values), token, redis (booleans).
*/}}

{{/* The Secrets that a Pod needs, as a list: env, secret, key, file. */}}
{{- define "cuepoint.files" -}}
{{- $v := .root.Values -}}
{{- $files := list -}}
{{- $master := $v.secrets.masterKey -}}
{{- if or .deployment (and .seals (not $master.name)) -}}
{{- $files = append $files (dict "env" "CUEPOINT_DEPLOYMENT_KEY_FILE" "secret" $v.secrets.deploymentKey.name "key" $v.secrets.deploymentKey.key "file" "deployment-key") -}}
{{- end -}}
{{- if and .seals $master.name -}}
{{- $files = append $files (dict "env" "CUEPOINT_MASTER_KEY_FILE" "secret" $master.name "key" $master.key "file" "master-key") -}}
{{- end -}}
{{- if .token -}}
{{- with $v.secrets.apiToken }}{{ if .name }}{{ $files = append $files (dict "env" "CUEPOINT_API_TOKEN_FILE" "secret" .name "key" .key "file" "api-token") }}{{ end }}{{ end -}}
{{- end -}}
{{- $user := get $v.nats.users .user | default dict -}}
{{- if eq $v.nats.auth "creds" -}}
{{- $files = append $files (dict "env" "CUEPOINT_NATS_CREDS" "secret" $user.secret "key" $user.key "file" "nats.creds") -}}
{{- else if eq $v.nats.auth "nkey" -}}
{{- $files = append $files (dict "env" "CUEPOINT_NATS_NKEY" "secret" $user.secret "key" $user.key "file" "nats.nk") -}}
{{- end -}}
{{- with $v.nats.tls.ca }}{{ if .secret }}{{ $files = append $files (dict "env" "CUEPOINT_NATS_CA" "secret" .secret "key" .key "file" "nats-ca.crt") }}{{ end }}{{ end -}}
{{- with default $v.nats.tls.clientSecret $user.tlsSecret -}}
{{- $files = append $files (dict "env" "CUEPOINT_NATS_CERT" "secret" . "key" "tls.crt" "file" "nats-tls.crt") -}}
{{- $files = append $files (dict "env" "CUEPOINT_NATS_KEY" "secret" . "key" "tls.key" "file" "nats-tls.key") -}}
{{- end -}}
{{- if .redis -}}
{{- with $v.redis.passwordSecret }}{{ if .name }}{{ $files = append $files (dict "env" "CUEPOINT_REDIS_PASSWORD_FILE" "secret" .name "key" .key "file" "redis-password") }}{{ end }}{{ end -}}
{{- with $v.redis.tls.ca }}{{ if .secret }}{{ $files = append $files (dict "env" "CUEPOINT_REDIS_CA" "secret" .secret "key" .key "file" "redis-ca.crt") }}{{ end }}{{ end -}}
{{- with $v.redis.tls.clientSecret -}}
{{- $files = append $files (dict "env" "CUEPOINT_REDIS_CERT" "secret" . "key" "tls.crt" "file" "redis-tls.crt") -}}
{{- $files = append $files (dict "env" "CUEPOINT_REDIS_KEY" "secret" . "key" "tls.key" "file" "redis-tls.key") -}}
{{- end -}}
{{- end -}}
{{- toYaml $files -}}
{{- end -}}

{{/* The volume of these files; nothing where there are none. */}}
{{- define "cuepoint.volume" -}}
{{- with include "cuepoint.files" . | fromYamlArray -}}
- name: secrets
  projected:
    defaultMode: 288 # 0440: the group of the Pod reads
    sources:
      {{- range . }}
      - secret:
          name: {{ .secret | quote }}
          items: [{ key: {{ .key | quote }}, path: {{ .file }} }]
      {{- end }}
{{- end -}}
{{- end -}}

{{- define "cuepoint.mount" -}}
{{- with include "cuepoint.files" . | fromYamlArray -}}
- { name: secrets, mountPath: /etc/cuepoint/secrets, readOnly: true }
{{- end -}}
{{- end -}}

{{/* Secrets of whoever runs bots, each a directory below /etc/cuepoint/lent. */}}
{{- define "cuepoint.lent.volumes" -}}
{{- range $index, $one := . }}
- name: lent-{{ $index }}
  secret: { secretName: {{ $one.secret | quote }}, defaultMode: 288 }
{{- end }}
{{- end -}}

{{- define "cuepoint.lent.mounts" -}}
{{- range $index, $one := . }}
- { name: lent-{{ $index }}, mountPath: /etc/cuepoint/lent/{{ $one.secret }}, readOnly: true }
{{- end }}
{{- end -}}

{{/* One variable, if it has a value: list name, value. Numbers are written out. */}}
{{- define "cuepoint.var" -}}
{{- $value := index . 1 -}}
{{- if kindIs "float64" $value }}{{ $value = $value | int64 }}{{ end -}}
{{- if not (or (kindIs "invalid" $value) (eq (toString $value) "")) }}
- name: {{ index . 0 }}
  value: {{ toString $value | quote }}
{{- end -}}
{{- end -}}

{{/* Where the servers are, and what proves who this is. */}}
{{- define "cuepoint.env.servers" -}}
{{- $v := .root.Values -}}
{{- include "cuepoint.var" (list "CUEPOINT_NATS" $v.nats.url) -}}
{{- with (get $v.nats.users .user | default dict).inbox }}{{ include "cuepoint.var" (list "CUEPOINT_NATS_INBOX" .) }}{{ end -}}
{{- if .redis -}}
{{- with $v.redis.urlSecret }}{{ if .name }}
- name: CUEPOINT_REDIS
  valueFrom: { secretKeyRef: { name: {{ .name | quote }}, key: {{ .key | quote }} } }
{{- else }}{{ include "cuepoint.var" (list "CUEPOINT_REDIS" $v.redis.url) }}{{ end }}{{ end -}}
{{- end -}}
{{- range include "cuepoint.files" . | fromYamlArray -}}
{{- include "cuepoint.var" (list .env (printf "/etc/cuepoint/secrets/%s" .file)) -}}
{{- end -}}
{{- include "cuepoint.var" (list "CUEPOINT_LOG" $v.log.filter) -}}
{{- include "cuepoint.var" (list "CUEPOINT_LOG_FORMAT" $v.log.format) -}}
{{- end -}}

{{/* Operations listener and telemetry of a service: dict root. */}}
{{- define "cuepoint.env.service" -}}
{{- $v := .root.Values -}}
{{- include "cuepoint.var" (list "CUEPOINT_OPS" (printf "%s:%d" $v.listen ($v.ports.ops | int))) -}}
{{- with $v.telemetry.otlpEndpoint }}
- name: POD_NAME
  valueFrom: { fieldRef: { fieldPath: metadata.name } }
- name: POD_NAMESPACE
  valueFrom: { fieldRef: { fieldPath: metadata.namespace } }
- name: NODE_NAME
  valueFrom: { fieldRef: { fieldPath: spec.nodeName } }
{{- $attributes := list "k8s.pod.name=$(POD_NAME)" "k8s.namespace.name=$(POD_NAMESPACE)" "k8s.node.name=$(NODE_NAME)" -}}
{{- range $name, $value := $v.telemetry.resourceAttributes }}{{ $attributes = append $attributes (printf "%s=%s" $name $value) }}{{ end -}}
{{- include "cuepoint.var" (list "OTEL_EXPORTER_OTLP_ENDPOINT" .) -}}
{{- include "cuepoint.var" (list "OTEL_EXPORTER_OTLP_PROTOCOL" "http/protobuf") -}}
{{- include "cuepoint.var" (list "OTEL_RESOURCE_ATTRIBUTES" (join "," $attributes)) -}}
{{- end -}}
{{- include "cuepoint.var" (list "CUEPOINT_TRACE_ROOTS_PER_SECOND" $v.telemetry.traceRootsPerSecond) -}}
{{- end -}}

{{/* Variables of the operator behind ours: dict env (ours, as text), extra, where. */}}
{{- define "cuepoint.env.whole" -}}
{{- $ours := list -}}
{{- range fromYamlArray .env }}{{ $ours = append $ours .name }}{{ end -}}
{{- range .extra -}}
{{- if has .name $ours }}{{ fail (printf "%s.extraEnv sets %s, which the chart sets from other values: take it out and set those" $.where .name) }}{{ end -}}
{{- end -}}
{{- .env | trim -}}
{{- with .extra }}
{{ toYaml . }}
{{- end -}}
{{- end -}}

{{/* The restricted profile. */}}
{{- define "cuepoint.security.pod" -}}
runAsNonRoot: true
runAsUser: {{ .Values.podSecurity.user | int }}
runAsGroup: {{ .Values.podSecurity.group | int }}
fsGroup: {{ .Values.podSecurity.group | int }}
seccompProfile: { type: RuntimeDefault }
{{- end -}}

{{- define "cuepoint.security.container" -}}
allowPrivilegeEscalation: false
readOnlyRootFilesystem: true
runAsNonRoot: true
capabilities: { drop: [ALL] }
{{- end -}}

{{/* Probes on the operations port. */}}
{{- define "cuepoint.probes" -}}
startupProbe:
  httpGet: { path: /healthz, port: ops }
  periodSeconds: 2
  failureThreshold: 60
livenessProbe:
  httpGet: { path: /healthz, port: ops }
  periodSeconds: 10
  timeoutSeconds: 3
  failureThreshold: 6
readinessProbe:
  httpGet: { path: /readyz, port: ops }
  periodSeconds: 2
  timeoutSeconds: 2
  failureThreshold: 2
{{- end -}}

{{/* Where Pods go: dict root, own (values), selector. */}}
{{- define "cuepoint.placement" -}}
{{- with .own.priorityClassName }}
priorityClassName: {{ . | quote }}
{{- end }}
{{- with .own.nodeSelector }}
nodeSelector:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .own.tolerations }}
tolerations:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .own.affinity }}
affinity:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .own.topologySpread }}
topologySpreadConstraints:
  {{- range . }}
  - {{ toYaml . | nindent 4 | trim }}
    labelSelector:
      matchLabels:
        {{- $.selector | nindent 8 }}
    matchLabelKeys: [pod-template-hash]
  {{- end }}
{{- end }}
{{- end -}}

{{- define "cuepoint.pull" -}}
{{- with .Values.image.pullSecrets }}
imagePullSecrets:
  {{- range . }}
  - name: {{ . | quote }}
  {{- end }}
{{- end }}
{{- end -}}

{{/* Annotations of Pods that are started anew when configuration changes: dict root, own, settings. */}}
{{- define "cuepoint.annotations" -}}
{{- if .settings }}
checksum/settings: {{ toJson .root.Values.settings | sha256sum }}
{{- end }}
{{- with .root.Values.secrets.revision }}
cuepoint/secrets-revision: {{ . | quote }}
{{- end }}
{{- with .own.podAnnotations }}
{{ toYaml . }}
{{- end }}
{{- end -}}
