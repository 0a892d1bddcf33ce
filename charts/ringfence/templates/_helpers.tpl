{{/* The operator's account, Secret and Lease have one fixed name: ledgers and bindings of owners name it. */}}
{{- define "ringfence.name" -}}ringfence-operator{{- end -}}

{{- define "ringfence.labels" -}}
app.kubernetes.io/name: {{ include "ringfence.name" . }}
app.kubernetes.io/instance: {{ .Release.Name }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/part-of: ringfence
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version }}
{{- end -}}

{{- define "ringfence.selector" -}}
app.kubernetes.io/name: {{ include "ringfence.name" . }}
{{- end -}}

{{- define "ringfence.image" -}}
{{- if .Values.image.digest -}}
{{ .Values.image.repository }}@{{ .Values.image.digest }}
{{- else -}}
{{ .Values.image.repository }}:{{ .Values.image.tag | default .Chart.AppVersion }}
{{- end -}}
{{- end -}}

{{- define "ringfence.outputs" -}}
{{- $parts := list -}}
{{- range $namespace, $url := .Values.outputs -}}{{- $parts = append $parts (printf "%s=%s" $namespace $url) -}}{{- end -}}
{{- join "," $parts -}}
{{- end -}}

{{/* RoleBinding or ClusterRoleBinding subjects: the operator. */}}
{{- define "ringfence.subjects" -}}
subjects:
- kind: ServiceAccount
  namespace: {{ .Release.Namespace }}
  name: {{ include "ringfence.name" . }}
{{- end -}}

{{/* The port of the store's URL. */}}
{{- define "ringfence.storePort" -}}
{{- $host := (urlParse .Values.store.endpoint).host -}}
{{- if contains ":" $host -}}{{- last (splitList ":" $host) -}}{{- else -}}{{- ternary 443 80 (hasPrefix "https://" .Values.store.endpoint) -}}{{- end -}}
{{- end -}}
