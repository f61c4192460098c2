{{/* The environment of a worker: dict root, who, own (the pool). */}}
{{- define "cuepoint.worker.env" -}}
{{- $w := .own -}}
{{- include "cuepoint.env.servers" .who -}}
{{- include "cuepoint.env.service" . -}}
{{- include "cuepoint.var" (list "CUEPOINT_ROLES" (join "," $w.roles)) -}}
{{- include "cuepoint.var" (list "CUEPOINT_TURNS" $w.turns) -}}
{{- include "cuepoint.var" (list "CUEPOINT_DRAIN_DEADLINE" $w.drainDeadline) -}}
{{- include "cuepoint.var" (list "CUEPOINT_EGRESS_ALLOW" (join "," $w.egressAllow)) -}}
{{- include "cuepoint.var" (list "CUEPOINT_DELIVER_RETRIES" $w.deliverRetries) -}}
{{- include "cuepoint.var" (list "CUEPOINT_DELIVER_SENDING" $w.deliverSending) -}}
{{- if include "cuepoint.settings.name" .root }}{{ include "cuepoint.var" (list "CUEPOINT_SETTINGS" "/etc/cuepoint/settings/settings.yaml") }}{{ end -}}
{{- end -}}

{{/* The ConfigMap with the settings; empty where there are none. */}}
{{- define "cuepoint.settings.name" -}}
{{- $s := .Values.settings -}}
{{- if $s.existing.name }}{{ $s.existing.name }}{{ else if $s.document }}{{ include "cuepoint.fullname" . }}-settings{{ end -}}
{{- end -}}

{{- define "cuepoint.settings.mount" -}}
{{- if include "cuepoint.settings.name" . }}
- { name: settings, mountPath: /etc/cuepoint/settings, readOnly: true }
{{- end }}
{{- end -}}

{{- define "cuepoint.settings.volume" -}}
{{- with include "cuepoint.settings.name" . }}
- name: settings
  configMap:
    name: {{ . }}
    items: [{ key: {{ if $.Values.settings.existing.name }}{{ $.Values.settings.existing.key | quote }}{{ else }}settings.yaml{{ end }}, path: settings.yaml }]
{{- end }}
{{- end -}}

{{/* How many workers there are, by what there is to do: dict root, id, keda, name. */}}
{{- define "cuepoint.scaled" -}}
{{- $v := .root.Values -}}
{{- $k := .keda -}}
apiVersion: keda.sh/v1alpha1
kind: ScaledObject
metadata:
  name: {{ .name }}
  labels:
    {{- include "cuepoint.labels" .id | nindent 4 }}
spec:
  scaleTargetRef: { apiVersion: apps/v1, kind: Deployment, name: {{ .name }} }
  minReplicaCount: {{ $k.minReplicas | int }}
  maxReplicaCount: {{ $k.maxReplicas | int }}
  pollingInterval: {{ $k.pollingInterval | int }}
  cooldownPeriod: {{ $k.cooldownPeriod | int }}
  # Where nobody can be asked how much there is to do.
  fallback: { failureThreshold: 3, replicas: {{ $k.fallbackReplicas | int }} }
  advanced:
    horizontalPodAutoscalerConfig:
      behavior:
        # Each worker that ends hands its sessions over: slowly down, quickly up.
        scaleDown:
          stabilizationWindowSeconds: 300
          policies: [{ type: Percent, value: 25, periodSeconds: 60 }]
        scaleUp:
          stabilizationWindowSeconds: 0
          policies: [{ type: Percent, value: 100, periodSeconds: 15 }, { type: Pods, value: 4, periodSeconds: 15 }]
          selectPolicy: Max
  triggers:
    {{- if eq $k.scaler "runnable" }}
    - type: metrics-api
      metricType: AverageValue
      metadata:
        url: http://{{ include "cuepoint.fullname" .root }}-gateway-ops.{{ .root.Release.Namespace }}.svc.{{ $v.clusterDomain }}:{{ $v.ports.ops | int }}/runnable
        valueLocation: runnableSessions
        targetValue: {{ $k.sessionsPerWorker | int | quote }}
    {{- else }}
    - type: nats-jetstream
      metricType: AverageValue
      metadata:
        natsServerMonitoringEndpoint: {{ $k.jetstream.monitoringEndpoint | quote }}
        account: {{ $k.jetstream.account | quote }}
        stream: {{ $k.jetstream.stream | quote }}
        consumer: workers
        lagThreshold: {{ $k.jetstream.lagThreshold | int | quote }}
        useHttps: {{ $k.jetstream.useHttps | quote }}
    {{- end }}
{{- end -}}
