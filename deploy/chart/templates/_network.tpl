{{/* Rules of NetworkPolicies, each by what it lets through. */}}

{{- define "cuepoint.egress.ports" -}}
ports:
{{- range . }}
  - { protocol: TCP, port: {{ . }} }
{{- end }}
{{- end -}}

{{- define "cuepoint.egress.dns" -}}
- {{ with .Values.networkPolicy.dnsTo }}to:
    {{- toYaml . | nindent 4 }}
  {{ end }}ports:
    - { protocol: UDP, port: 53 }
    - { protocol: TCP, port: 53 }
{{- end -}}

{{/* To a server: dict peer (to, port), url, default. */}}
{{- define "cuepoint.egress.server" -}}
{{- $ports := splitList "\n" (include "cuepoint.ports" (list .url .default)) -}}
{{- if .peer.port }}{{ $ports = list .peer.port }}{{ end -}}
- {{ with .peer.to }}to:
    {{- toYaml . | nindent 4 }}
  {{ end }}{{ include "cuepoint.egress.ports" $ports | nindent 2 | trim }}
{{- end -}}

{{- define "cuepoint.egress.nats" -}}
{{- include "cuepoint.egress.server" (dict "peer" .Values.networkPolicy.nats "url" .Values.nats.url "default" 4222) -}}
{{- end -}}

{{/* Where both services go. */}}
{{- define "cuepoint.egress.service" -}}
{{- $n := .Values.networkPolicy -}}
{{ include "cuepoint.egress.dns" . }}
{{ include "cuepoint.egress.nats" . }}
{{ include "cuepoint.egress.server" (dict "peer" $n.redis "url" .Values.redis.url "default" 6379) }}
{{- with .Values.telemetry.otlpEndpoint }}
{{ include "cuepoint.egress.server" (dict "peer" $n.otlp "url" . "default" 4318) }}
{{- end }}
{{- end -}}

{{/* Everywhere outside the cluster: dict networkPolicy.outside. */}}
{{- define "cuepoint.egress.outside" -}}
- to:
    - ipBlock:
        cidr: 0.0.0.0/0
        {{- with .except }}
        except: {{ toJson . }}
        {{- end }}
    - ipBlock:
        cidr: '::/0'
        {{- with .exceptV6 }}
        except: {{ toJson . }}
        {{- end }}
  {{- with .ports }}
  {{- include "cuepoint.egress.ports" . | nindent 2 }}
  {{- end }}
{{- end -}}

{{- define "cuepoint.ingress.ops" -}}
- {{ with .Values.networkPolicy.opsFrom }}from:
    {{- toYaml . | nindent 4 }}
  {{ end }}ports:
    - { protocol: TCP, port: {{ .Values.ports.ops | int }} }
{{- end -}}
