{{/*
The environment of a component, built as a map so that no name comes twice, in this order of strength:
extraEnv, what only this component has, settings of the component, settings.shared, what all have.
*/}}

{{/* dict "root" "env": where a secret variable comes from */}}
{{- define "callfleet.secret" -}}
{{- $ref := get .root.Values.secrets.from .env | default dict -}}
valueFrom:
  secretKeyRef:
    name: {{ $ref.name | default .root.Values.secrets.existingSecret }}
    key: {{ $ref.key | default .env }}
{{- end }}

{{- define "callfleet.anywhere" -}}
{{- ternary "::" "0.0.0.0" (eq .Values.ipFamily "IPv6") -}}
{{- end }}

{{/* A map of the variables that every component has; "root" "component" */}}
{{- define "callfleet.sharedEnv" -}}
{{- $root := .root -}}
{{- $redis := $root.Values.redis -}}
CALLFLEET_CONFIG: /etc/callfleet/callfleet.yaml
CALLFLEET_DRAIN_TIMEOUT_S: {{ (index $root.Values .component).drain.timeoutSeconds | quote }}
CALLFLEET_PRIVATE_HOST: {{ include "callfleet.anywhere" $root | quote }}
CALLFLEET_PRIVATE_PORT: {{ $root.Values.ports.private | quote }}
{{- range list "CALLFLEET_SECRET" "CALLFLEET_ENCRYPTION_KEYS" }}
{{ . }}: {{- include "callfleet.secret" (dict "root" $root "env" .) | nindent 2 }}
{{- end }}
{{- if $redis.dev.enabled }}
REDIS_URL: {{ printf "redis://%s-redis:6379/0" (include "callfleet.fullname" $root) }}
{{- else if $redis.url }}
REDIS_URL: {{ $redis.url | quote }}
{{- else }}
REDIS_URL: {{- include "callfleet.secret" (dict "root" $root "env" "REDIS_URL") | nindent 2 }}
{{- end }}
{{- end }}

{{- define "callfleet.databaseEnv" -}}
{{- if .Values.database.url }}
DATABASE_URL: {{ .Values.database.url | quote }}
{{- else }}
DATABASE_URL: {{- include "callfleet.secret" (dict "root" . "env" "DATABASE_URL") | nindent 2 }}
{{- end }}
{{- end }}

{{/* A map of the variables of the orgs' keys, which the file names */}}
{{- define "callfleet.apiKeyEnv" -}}
{{- $names := .Values.secrets.apiKeys -}}
{{- range .Values.config.content.orgs -}}
{{- $names = append $names (.api_key_env | default "OPENAI_API_KEY") -}}
{{- end -}}
{{- range uniq ($names | default (list "OPENAI_API_KEY")) }}
{{ . }}: {{- include "callfleet.secret" (dict "root" $ "env" .) | nindent 2 }}
{{- end }}
{{- end }}

{{/* dict "root" "component" "env" (text of a map) "first" (a list): the container's env */}}
{{- define "callfleet.env" -}}
{{- $values := .root.Values -}}
{{- $component := index $values .component -}}
{{- $env := mergeOverwrite
  (fromYaml (include "callfleet.sharedEnv" .))
  (deepCopy $values.settings.shared)
  (deepCopy (index $values.settings .component))
  (fromYaml .env)
  (deepCopy $component.extraEnv) -}}
{{- range .first }}
{{- if not (hasKey $env .name) }}
- {{ toYaml . | nindent 2 | trim }}
{{- end }}
{{- end }}
{{- range $name := keys $env | sortAlpha }}
{{- $value := get $env $name }}
- name: {{ $name }}
{{- if kindIs "map" $value }}
  {{- toYaml $value | nindent 2 }}
{{- else }}
  value: {{ include "callfleet.text" $value | quote }}
{{- end }}
{{- end }}
{{- end }}
