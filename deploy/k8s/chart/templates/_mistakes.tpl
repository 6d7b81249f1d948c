{{/* What a schema cannot say, all of it at once. */}}
{{- define "callfleet.mistakes" -}}
{{- $v := .Values -}}
{{- $mistakes := list -}}
{{- if not $v.publicUrl -}}
{{- $mistakes = append $mistakes "publicUrl: is needed: what carriers sign and dial, e.g. https://voice.example.com" -}}
{{- end -}}
{{- if and (not $v.config.content) (not $v.config.existingConfigMap) -}}
{{- $mistakes = append $mistakes "config.content: is needed: your callfleet.yaml (or config.existingConfigMap)" -}}
{{- end -}}
{{- if and $v.config.content $v.config.existingConfigMap -}}
{{- $mistakes = append $mistakes "config: content and existingConfigMap exclude each other" -}}
{{- end -}}
{{- if and $v.redis.url $v.redis.dev.enabled -}}
{{- $mistakes = append $mistakes "redis: url and dev.enabled exclude each other" -}}
{{- end -}}
{{- if and $v.httpRoute.enabled (not $v.httpRoute.parentRefs) -}}
{{- $mistakes = append $mistakes "httpRoute.parentRefs: is needed: the Gateway that takes the route" -}}
{{- end -}}
{{- if and $v.metrics.podMonitor.enabled $v.metrics.serviceMonitor.enabled -}}
{{- $mistakes = append $mistakes "metrics: podMonitor and serviceMonitor together would scrape everything twice" -}}
{{- end -}}
{{- range $component := list "gateway" "worker" "analytics" -}}
{{- $scaling := (index $v $component).autoscaling -}}
{{- if and (eq $scaling.kind "keda") (not $v.keda.serverAddress) -}}
{{- $mistakes = append $mistakes (printf "keda.serverAddress: is needed by %s.autoscaling" $component) -}}
{{- end -}}
{{- if gt (int $scaling.minReplicas) (int $scaling.maxReplicas) -}}
{{- $mistakes = append $mistakes (printf "%s.autoscaling: minReplicas is above maxReplicas" $component) -}}
{{- end -}}
{{- end -}}
{{- if $mistakes -}}
{{- fail (printf "\n%d mistake(s) in the values:\n  %s\n" (len $mistakes) (join "\n  " $mistakes)) -}}
{{- end -}}
{{- end }}
