{{/* Names and labels. */}}

{{- define "cuepoint.name" -}}
{{- default .Chart.Name .Values.nameOverride | trunc 40 | trimSuffix "-" -}}
{{- end -}}

{{- define "cuepoint.fullname" -}}
{{- $name := include "cuepoint.name" . -}}
{{- if .Values.fullnameOverride -}}
{{- .Values.fullnameOverride | trunc 40 | trimSuffix "-" -}}
{{- else if contains $name .Release.Name -}}
{{- .Release.Name | trunc 40 | trimSuffix "-" -}}
{{- else -}}
{{- printf "%s-%s" .Release.Name $name | trunc 40 | trimSuffix "-" -}}
{{- end -}}
{{- end -}}

{{/* What finds the Pods of a component: dict root, component, pool. */}}
{{- define "cuepoint.selector" -}}
app.kubernetes.io/name: {{ include "cuepoint.name" .root }}
app.kubernetes.io/instance: {{ .root.Release.Name }}
app.kubernetes.io/component: {{ .component }}
{{- with .pool }}
cuepoint/pool: {{ . }}
{{- end }}
{{- end -}}

{{/* All labels of an object of a component. */}}
{{- define "cuepoint.labels" -}}
{{ include "cuepoint.selector" . }}
app.kubernetes.io/version: {{ .root.Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .root.Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .root.Chart.Name .root.Chart.Version | replace "+" "_" }}
{{- with .root.Values.commonLabels }}
{{ toYaml . }}
{{- end }}
{{- end -}}

{{/* The image of a program: dict root, program. */}}
{{- define "cuepoint.image" -}}
{{- $image := .root.Values.image -}}
{{- $own := get $image .program -}}
{{- $base := $own.repository -}}
{{- if $image.registry }}{{ $base = printf "%s/%s" $image.registry $own.repository }}{{ end -}}
{{- if $own.digest -}}
{{- printf "%s@%s" $base $own.digest -}}
{{- else -}}
{{- printf "%s:%s" $base (default .root.Chart.AppVersion $image.tag) -}}
{{- end -}}
{{- end -}}

{{/* A duration in whole seconds, rounded up. */}}
{{- define "cuepoint.seconds" -}}
{{- $ms := 0 -}}
{{- range regexFindAll "[0-9]+(ms|s|m|h)" . -1 -}}
{{- $count := regexFind "^[0-9]+" . | int -}}
{{- $unit := get (dict "ms" 1 "s" 1000 "m" 60000 "h" 3600000) (regexFind "[a-z]+$" .) -}}
{{- $ms = add $ms (mul $count $unit) -}}
{{- end -}}
{{- div (add $ms 999) 1000 -}}
{{- end -}}

{{/* How long a gateway has to end: what it waits for load balancers, its drain, and a margin. */}}
{{- define "cuepoint.grace.gateway" -}}
{{- $g := .Values.gateway -}}
{{- add (include "cuepoint.seconds" $g.drainDelay | int) (include "cuepoint.seconds" $g.drainDeadline | int) (.Values.graceMarginSeconds | int) -}}
{{- end -}}

{{/* How long a worker has to end: dict root, pool. */}}
{{- define "cuepoint.grace.worker" -}}
{{- add (include "cuepoint.seconds" .pool.drainDeadline | int) (.root.Values.graceMarginSeconds | int) -}}
{{- end -}}

{{/* The pools with all their settings, as YAML: a map by name. */}}
{{- define "cuepoint.pools" -}}
{{- $pools := dict -}}
{{- range $name, $own := .Values.workers -}}
{{- if not (kindIs "invalid" $own) -}}
{{- $_ := set $pools $name (mergeOverwrite (deepCopy $.Values.workerDefaults) (deepCopy $own)) -}}
{{- end -}}
{{- end -}}
{{- toYaml $pools -}}
{{- end -}}

{{/* The ports of addresses: list of URLs by comma, default port. Each on a line, once. */}}
{{- define "cuepoint.ports" -}}
{{- $ports := list -}}
{{- range splitList "," (index . 0) -}}
{{- $rest := trim . | regexFind "^[a-z]+://[^/?]+" -}}
{{- $port := $rest | regexFind ":[0-9]+$" | trimPrefix ":" -}}
{{- $default := index $ 1 -}}
{{- if and (not $port) (hasPrefix "https://" $rest) }}{{ $default = 443 }}{{ end -}}
{{- if and (not $port) (hasPrefix "http://" $rest) }}{{ $default = 80 }}{{ end -}}
{{- $ports = append $ports (default ($default | toString) $port) -}}
{{- end -}}
{{- uniq $ports | join "\n" -}}
{{- end -}}
