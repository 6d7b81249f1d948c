{{/* Names, labels, the image. Selectors are name, instance, component: immutable, so nothing else. */}}
{{- define "callfleet.name" -}}
{{- default .Chart.Name .Values.nameOverride | trunc 40 | trimSuffix "-" -}}
{{- end }}

{{- define "callfleet.fullname" -}}
{{- if .Values.fullnameOverride -}}
{{- .Values.fullnameOverride | trunc 40 | trimSuffix "-" -}}
{{- else if contains (include "callfleet.name" .) .Release.Name -}}
{{- .Release.Name | trunc 40 | trimSuffix "-" -}}
{{- else -}}
{{- printf "%s-%s" .Release.Name (include "callfleet.name" .) | trunc 40 | trimSuffix "-" -}}
{{- end -}}
{{- end }}

{{- define "callfleet.instanceSelector" -}}
app.kubernetes.io/name: {{ include "callfleet.name" . }}
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end }}

{{/* dict "root" "component" */}}
{{- define "callfleet.selector" -}}
{{ include "callfleet.instanceSelector" .root }}
app.kubernetes.io/component: {{ .component }}
{{- end }}

{{- define "callfleet.labels" -}}
{{- $own := fromYaml (include "callfleet.selector" .) -}}
{{- $rest := dict
  "app.kubernetes.io/version" (.root.Chart.AppVersion | toString)
  "app.kubernetes.io/part-of" "callfleet"
  "app.kubernetes.io/managed-by" .root.Release.Service
  "helm.sh/chart" (printf "%s-%s" .root.Chart.Name .root.Chart.Version) -}}
{{- toYaml (mergeOverwrite (deepCopy .root.Values.commonLabels) $rest $own) -}}
{{- end }}

{{/* Of pods: nothing that changes with the chart alone, so that its next version moves no call. */}}
{{- define "callfleet.podLabels" -}}
{{- $all := fromYaml (include "callfleet.labels" .) -}}
{{- toYaml (omit $all "helm.sh/chart" "app.kubernetes.io/managed-by") -}}
{{- end }}

{{/* dict "root" "component" "suffix" "annotations"(optional): the metadata of an object */}}
{{- define "callfleet.metadata" -}}
{{- $annotations := mergeOverwrite (deepCopy .root.Values.commonAnnotations) (.annotations | default dict) -}}
name: {{ include "callfleet.fullname" .root }}{{ with .suffix }}-{{ . }}{{ end }}
namespace: {{ .root.Release.Namespace }}
labels: {{- include "callfleet.labels" . | nindent 2 }}
{{- with $annotations }}
annotations: {{- toYaml . | nindent 2 }}
{{- end }}
{{- end }}

{{- define "callfleet.image" -}}
{{- $image := .Values.image -}}
{{- with $image.registry }}{{ . }}/{{ end }}{{ $image.repository }}
{{- if $image.digest }}@{{ $image.digest }}{{ else }}:{{ $image.tag | default .Chart.AppVersion }}{{ end -}}
{{- end }}

{{- define "callfleet.serviceAccount" -}}
{{- if .Values.serviceAccount.create -}}
{{- .Values.serviceAccount.name | default (include "callfleet.fullname" .) -}}
{{- else -}}
{{- .Values.serviceAccount.name | default "default" -}}
{{- end -}}
{{- end }}

{{- define "callfleet.configMap" -}}
{{- .Values.config.existingConfigMap | default (printf "%s-config" (include "callfleet.fullname" .)) -}}
{{- end }}

{{/* Numbers as they were written: 1000000, not 1e+06. */}}
{{- define "callfleet.text" -}}
{{- if kindIs "string" . }}{{ . }}{{ else }}{{ toJson . }}{{ end -}}
{{- end }}
