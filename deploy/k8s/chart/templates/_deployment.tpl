{{/*
One component's Deployment. dict "root", "component", "env" (text of a map of its own variables),
"first" (variables that others refer to), "port" (dict "name" "number", or nothing).
*/}}
{{- define "callfleet.deployment" -}}
{{- include "callfleet.mistakes" .root -}}
{{- $root := .root -}}
{{- $values := $root.Values -}}
{{- $component := index $values .component -}}
{{- $drain := $component.drain -}}
apiVersion: apps/v1
kind: Deployment
metadata:
  {{- include "callfleet.metadata" (dict "root" $root "component" .component "suffix" .component "annotations" $component.annotations) | nindent 2 }}
spec:
  {{- if eq $component.autoscaling.kind "none" }}
  replicas: {{ $component.replicas }}
  {{- end }}
  revisionHistoryLimit: 3
  strategy:
    type: RollingUpdate
    rollingUpdate:
      maxUnavailable: 0
      maxSurge: {{ $component.maxSurge }}
  selector:
    matchLabels: {{- include "callfleet.selector" . | nindent 6 }}
  template:
    metadata:
      labels:
        {{- toYaml (mergeOverwrite (deepCopy $component.podLabels) (fromYaml (include "callfleet.podLabels" .))) | nindent 8 }}
      annotations:
        kubectl.kubernetes.io/default-container: {{ .component }}
        {{- if not $values.config.existingConfigMap }}
        checksum/config: {{ include "callfleet.configData" $root | sha256sum }}
        {{- end }}
        {{- with $component.podAnnotations }}
        {{- toYaml . | nindent 8 }}
        {{- end }}
    spec:
      {{- include "callfleet.podBasics" (dict "root" $root "own" $component.podSecurityContext) | nindent 6 }}
      serviceAccountName: {{ include "callfleet.serviceAccount" $root }}
      terminationGracePeriodSeconds: {{ add $drain.preStopSeconds $drain.timeoutSeconds $drain.marginSeconds }}
      {{- with include "callfleet.placement" . | trim }}
      {{- . | nindent 6 }}
      {{- end }}
      {{- with $component.initContainers }}
      initContainers: {{- toYaml . | nindent 8 }}
      {{- end }}
      containers:
        - name: {{ .component }}
          {{- include "callfleet.containerBasics" (dict "root" $root "own" $component.securityContext) | nindent 10 }}
          args: [{{ .component }}]
          env: {{- include "callfleet.env" . | trim | nindent 12 }}
          {{- with $component.extraEnvFrom }}
          envFrom: {{- toYaml . | nindent 12 }}
          {{- end }}
          ports:
            {{- with .port }}
            - {name: {{ .name }}, containerPort: {{ .number }}, protocol: TCP}
            {{- end }}
            - {name: private, containerPort: {{ $values.ports.private }}, protocol: TCP}
          {{- include "callfleet.probes" $component.probes | nindent 10 }}
          lifecycle:
            preStop:
              sleep:
                seconds: {{ $drain.preStopSeconds }}
          resources: {{- toYaml $component.resources | nindent 12 }}
          volumeMounts:
            - {name: config, mountPath: /etc/callfleet, readOnly: true}
            - {name: tmp, mountPath: /tmp}
            {{- with $component.extraVolumeMounts }}
            {{- toYaml . | nindent 12 }}
            {{- end }}
        {{- with $component.sidecars }}
        {{- toYaml . | nindent 8 }}
        {{- end }}
      volumes:
        - name: config
          configMap:
            name: {{ include "callfleet.configMap" $root }}
        - name: tmp
          emptyDir:
            sizeLimit: 64Mi
        {{- with $component.extraVolumes }}
        {{- toYaml . | nindent 8 }}
        {{- end }}
{{- end }}

{{/*
What every pod of the release has. Service links are off: those of a Service "callfleet-gateway" would
be variables named CALLFLEET_GATEWAY_PORT, and mean something else.
*/}}
{{- define "callfleet.podBasics" -}}
automountServiceAccountToken: false
enableServiceLinks: false
securityContext:
  {{- toYaml (mergeOverwrite (deepCopy .root.Values.podSecurityContext) (.own | default dict)) | nindent 2 }}
{{- with .root.Values.imagePullSecrets }}
imagePullSecrets: {{- toYaml . | nindent 2 }}
{{- end }}
{{- end }}

{{- define "callfleet.containerBasics" -}}
image: {{ include "callfleet.image" .root | quote }}
imagePullPolicy: {{ .root.Values.image.pullPolicy }}
securityContext:
  {{- toYaml (mergeOverwrite (deepCopy .root.Values.securityContext) (.own | default dict)) | nindent 2 }}
{{- end }}

{{- define "callfleet.probes" -}}
startupProbe:
  httpGet: {path: /healthz, port: private}
  {{- toYaml .startup | nindent 2 }}
livenessProbe:
  httpGet: {path: /healthz, port: private}
  {{- toYaml .liveness | nindent 2 }}
readinessProbe:
  httpGet: {path: /readyz, port: private}
  {{- toYaml .readiness | nindent 2 }}
{{- end }}

{{- define "callfleet.placement" -}}
{{- $component := index .root.Values .component -}}
{{- with $component.priorityClassName }}
priorityClassName: {{ . }}
{{- end }}
{{- with $component.nodeSelector }}
nodeSelector: {{- toYaml . | nindent 2 }}
{{- end }}
{{- with $component.tolerations }}
tolerations: {{- toYaml . | nindent 2 }}
{{- end }}
{{- with $component.affinity }}
affinity: {{- toYaml . | nindent 2 }}
{{- end }}
{{- if kindIs "invalid" $component.topologySpreadConstraints }}
topologySpreadConstraints:
  {{- range list "topology.kubernetes.io/zone" "kubernetes.io/hostname" }}
  - maxSkew: 1
    topologyKey: {{ . }}
    whenUnsatisfiable: ScheduleAnyway
    labelSelector:
      matchLabels: {{- include "callfleet.selector" $ | nindent 8 }}
    matchLabelKeys: [pod-template-hash]
  {{- end }}
{{- else if $component.topologySpreadConstraints }}
topologySpreadConstraints: {{- toYaml $component.topologySpreadConstraints | nindent 2 }}
{{- end }}
{{- end }}
