{{/* What autoscalers ask. Series of pods that drain are left out: their work leaves with them. */}}

{{- define "callfleet.matchers" -}}
{{- .Values.keda.matchers | default (printf "namespace=%q" .Release.Namespace) -}}
{{- end }}

{{/* dict "root" "component": the work of one pod that an autoscaler aims at */}}
{{- define "callfleet.target" -}}
{{- $target := (index .root.Values .component).autoscaling.target -}}
{{- if not (kindIs "invalid" $target) -}}
{{- $target -}}
{{- else -}}
{{- max 1 (floor (mulf (.root.Values.settings.worker.CALLFLEET_WORKER_SLOTS | default 50) 0.6)) -}}
{{- end -}}
{{- end }}

{{/* The most sessions the orgs allow, or nothing when the chart cannot know. */}}
{{- define "callfleet.cap" -}}
{{- $cap := (index .root.Values .component).autoscaling.cap -}}
{{- if not (kindIs "invalid" $cap) -}}
{{- $cap -}}
{{- else if eq .component "worker" -}}
{{- $sum := 0 -}}
{{- range .root.Values.config.content.orgs -}}{{- $sum = add $sum .sessions -}}{{- end -}}
{{- if $sum }}{{ $sum }}{{ end -}}
{{- end -}}
{{- end }}

{{/*
Null when Prometheus knows no pod, never zero: a lost Prometheus must not look like a quiet night. Only
what is absent until it first happens (callers waiting) counts as zero.
*/}}
{{- define "callfleet.query" -}}
{{- $scaling := (index .root.Values .component).autoscaling -}}
{{- $m := include "callfleet.matchers" .root -}}
{{- $awake := printf "unless on (namespace, pod) (callfleet_process_draining{%s} == 1)" $m -}}
{{- $query := "" -}}
{{- if $scaling.query -}}
{{- $query = $scaling.query -}}
{{- else if eq .component "worker" -}}
{{- $query = printf "sum(callfleet_worker_calls_live{%s} %s) + (sum(callfleet_gateway_calls_waiting{%s}) or vector(0))" $m $awake $m -}}
{{- else if eq .component "gateway" -}}
{{- $query = printf "sum(callfleet_gateway_legs_live{%s} %s)" $m $awake -}}
{{- else -}}
{{- $query = printf "sum(max by (state) (callfleet_analytics_open_calls{%s, state!=\"dead\"}))" $m -}}
{{- end -}}
{{- with include "callfleet.cap" . -}}
{{- $query = printf "clamp_max(%s, %s)" $query . -}}
{{- end -}}
{{- $query -}}
{{- end }}
