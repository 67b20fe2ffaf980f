{{- define "leeboard.labels" -}}
app.kubernetes.io/part-of: leeboard
app.kubernetes.io/instance: {{ .Release.Name }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version }}
{{- end -}}

{{- define "leeboard.image" -}}
{{- $image := index .root.Values.images .name -}}
{{ $image.repository | default (printf "%s/%s" .root.Values.images.registry .name) }}:{{ $image.tag | default .root.Chart.AppVersion }}
{{- end -}}

{{- define "leeboard.container" -}}
allowPrivilegeEscalation: false
readOnlyRootFilesystem: true
capabilities: {drop: [ALL]}
{{- end -}}

{{- define "leeboard.pod" -}}
runAsNonRoot: true
runAsUser: 65532
runAsGroup: 65532
fsGroup: 65532
seccompProfile: {type: RuntimeDefault}
{{- end -}}

{{- define "leeboard.collectorUrl" -}}
http://leeboard-collector.{{ .Release.Namespace }}.svc.cluster.local
{{- end -}}
