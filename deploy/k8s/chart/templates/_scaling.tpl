{{/* What autoscalers ask. Series of pods that drain are left out: their work leaves with them. */}}

{{- define "callfleet.matchers" -}}
{{- .Values.keda.matchers | default (printf "namespace=%q" .Release.Namespace) -}}
{{- end }}

{{/* dict "root" "component": the work of one pod that an autoscaler aims at */}}
{{- define "callfleet.target" -}}
{{- $target := (index .root.Values .component).autoscaling.target -}}
{{- if not (kindIs "invalid" $target) -}}
{{- toJson $target -}}
{{- else -}}
{{- max 1 (floor (mulf (.root.Values.settings.worker.CALLFLEET_WORKER_SLOTS | default 50) 0.6)) -}}
{{- end -}}
{{- end }}

{{/*
Null when Prometheus knows no pod, never zero: a lost Prometheus must not look like a quiet night. A
waiting caller counts as far as the org has slots free: beyond them the API is the limit, and more
workers would help nobody. Of the slots every worker tells the same, hence the max.
*/}}
{{- define "callfleet.query" -}}
{{- $scaling := (index .root.Values .component).autoscaling -}}
{{- $m := include "callfleet.matchers" .root -}}
{{- $awake := printf "unless on (namespace, pod) (callfleet_process_draining{%s} == 1)" $m -}}
{{- $query := "" -}}
{{- if $scaling.query -}}
{{- $query = $scaling.query -}}
{{- else if eq .component "worker" -}}
{{- $waiting := printf "sum by (org) (max by (org, agent) (callfleet_slots_waiting{%s}))" $m -}}
{{- $live := printf "sum by (org) (max by (org, agent) (callfleet_slots_live{%s}))" $m -}}
{{- $free := printf "(max by (org) (callfleet_slots_limit_effective{%s}) - on (org) %s)" $m $live -}}
{{- $query = printf "sum(callfleet_worker_calls_live{%s} %s) + (sum(clamp_min((%s <= on (org) %s) or %s, 0)) or vector(0))" $m $awake $waiting $free $free -}}
{{- else if eq .component "gateway" -}}
{{- $query = printf "sum(callfleet_gateway_legs_live{%s} %s)" $m $awake -}}
{{- else -}}
{{- $query = printf "sum(max by (state) (callfleet_analytics_open_calls{%s, state!=\"dead\"}))" $m -}}
{{- end -}}
{{- if not (kindIs "invalid" $scaling.cap) -}}
{{- $query = printf "clamp_max(%s, %s)" $query (toJson $scaling.cap) -}}
{{- end -}}
{{- $query -}}
{{- end }}
