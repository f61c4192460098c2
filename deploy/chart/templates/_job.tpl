{{/*
A Job that runs `cuepoint` once: dict root, component, name, who, own (values), args, env (further ones, as text),
hook, weight, mounts, volumes.

Before the chart's objects are there a hook has nothing but what is a hook itself, so each brings its own
ServiceAccount and NetworkPolicy. Helm deletes hooks that succeeded once all of their moment have: nothing is left.
*/}}
{{- define "cuepoint.hook" -}}
helm.sh/hook: {{ .hook }}
helm.sh/hook-weight: {{ .weight | quote }}
helm.sh/hook-delete-policy: {{ .delete }}
{{- end -}}

{{- define "cuepoint.job.env" -}}
{{- include "cuepoint.env.servers" .who -}}
{{- .env -}}
{{- end -}}

{{- define "cuepoint.job" -}}
{{- $id := dict "root" .root "component" .component -}}
apiVersion: v1
kind: ServiceAccount
metadata:
  name: {{ .name }}
  labels:
    {{- include "cuepoint.labels" $id | nindent 4 }}
  annotations:
    {{- include "cuepoint.hook" (dict "hook" .hook "weight" (sub .weight 5) "delete" "before-hook-creation,hook-succeeded") | nindent 4 }}
automountServiceAccountToken: false
{{- if .root.Values.networkPolicy.enabled }}
---
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata:
  name: {{ .name }}
  labels:
    {{- include "cuepoint.labels" $id | nindent 4 }}
  annotations:
    {{- include "cuepoint.hook" (dict "hook" .hook "weight" (sub .weight 5) "delete" "before-hook-creation,hook-succeeded") | nindent 4 }}
spec:
  podSelector:
    matchLabels:
      {{- include "cuepoint.selector" $id | nindent 6 }}
  policyTypes: [Ingress, Egress]
  ingress: []
  egress:
    {{- include "cuepoint.egress.dns" .root | nindent 4 }}
    {{- include "cuepoint.egress.nats" .root | nindent 4 }}
{{- end }}
---
apiVersion: batch/v1
kind: Job
metadata:
  name: {{ .name }}
  labels:
    {{- include "cuepoint.labels" $id | nindent 4 }}
  annotations:
    {{- include "cuepoint.hook" (dict "hook" .hook "weight" .weight "delete" "before-hook-creation,hook-succeeded") | nindent 4 }}
spec:
  backoffLimit: {{ .own.backoffLimit | int }}
  activeDeadlineSeconds: {{ .own.activeDeadlineSeconds | int }}
  template:
    metadata:
      labels:
        {{- include "cuepoint.labels" $id | nindent 8 }}
    spec:
      restartPolicy: Never
      serviceAccountName: {{ .name }}
      automountServiceAccountToken: false
      enableServiceLinks: false
      {{- include "cuepoint.pull" .root | indent 6 }}
      securityContext:
        {{- include "cuepoint.security.pod" .root | nindent 8 }}
      containers:
        - name: {{ .component }}
          image: {{ include "cuepoint.image" (dict "root" .root "program" "cuepoint") | quote }}
          imagePullPolicy: {{ .root.Values.image.pullPolicy }}
          args: {{ toJson .args }}
          env:
            {{- include "cuepoint.env.whole" (dict "env" (include "cuepoint.job.env" .) "extra" .own.extraEnv "where" .values) | nindent 12 }}
          resources:
            {{- toYaml .own.resources | nindent 12 }}
          securityContext:
            {{- include "cuepoint.security.container" .root | nindent 12 }}
          {{- with printf "%s%s" (include "cuepoint.mount" .who) .mounts | trim }}
          volumeMounts:
            {{- . | nindent 12 }}
          {{- end }}
      {{- with printf "%s%s" (include "cuepoint.volume" .who) .volumes | trim }}
      volumes:
        {{- . | nindent 8 }}
      {{- end }}
{{- end -}}
