{{/* Names, labels and parts that several objects share. */}}

{{- define "hilum.name" -}}
{{- if contains "hilum" .Release.Name }}{{ .Release.Name | trunc 40 | trimSuffix "-" }}{{ else }}{{ printf "%s-hilum" (.Release.Name | trunc 34 | trimSuffix "-") }}{{ end }}
{{- end }}

{{- define "hilum.selector" -}}
app.kubernetes.io/name: hilum
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end }}

{{- define "hilum.labels" -}}
{{ include "hilum.selector" . }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version }}
{{- end }}

{{- define "hilum.image" -}}
{{- with .Values.image }}
{{- if .digest }}{{ .repository }}@{{ .digest }}{{ else }}{{ .repository }}:{{ .tag | default $.Chart.AppVersion }}{{ end }}
{{- end }}
{{- end }}

{{- define "hilum.inPostgresql" -}}
{{- if or .Values.ledger.url .Values.ledger.existingSecret }}yes{{ end }}
{{- end }}

{{- define "hilum.attempts" -}}{{ include "hilum.name" . }}-attempts{{- end }}
{{- define "hilum.homeClaim" -}}{{ .Values.home.existingClaim | default (printf "%s-home" (include "hilum.name" .)) }}{{- end }}
{{- define "hilum.storeClaim" -}}{{ .Values.store.existingClaim | default (printf "%s-store" (include "hilum.name" .)) }}{{- end }}

{{/* What no schema can say. */}}
{{- define "hilum.check" -}}
{{- if gt (int .Values.replicas) 1 }}
{{- if not (include "hilum.inPostgresql" .) }}
{{- fail "several engines need a ledger in PostgreSQL: set ledger.existingSecret or ledger.url, or replicas to 1" }}
{{- end }}
{{- if and (not .Values.home.existingClaim) (ne .Values.home.accessMode "ReadWriteMany") }}
{{- fail "several engines need a home that several nodes can mount: set home.accessMode to ReadWriteMany, or replicas to 1" }}
{{- end }}
{{- end }}
{{- if eq .Values.attempts.credentials "downscoped" }}
{{- if or .Values.store.credentialsSecret .Values.attemptsServiceAccount.annotations }}
{{- fail "attempts with downscoped credentials must have no others: leave store.credentialsSecret and attemptsServiceAccount.annotations empty" }}
{{- end }}
{{- end }}
{{- if and .Values.cloudSql.instance (not (include "hilum.inPostgresql" .)) }}
{{- fail "cloudSql.instance needs ledger.url or ledger.existingSecret with an address at 127.0.0.1:5432" }}
{{- end }}
{{- if and .Values.ledger.url .Values.ledger.existingSecret }}
{{- fail "the ledger has two addresses: set ledger.url or ledger.existingSecret, not both" }}
{{- end }}
{{- end }}

{{/* The variable that holds the ledger's URL; called with the root and the name of the chart's own Secret. */}}
{{- define "hilum.ledgerVariable" -}}
{{- $root := index . 0 }}
{{- if include "hilum.inPostgresql" $root }}
- name: HILUM_LEDGER
  valueFrom:
    secretKeyRef:
      {{- if $root.Values.ledger.existingSecret }}
      name: {{ $root.Values.ledger.existingSecret }}
      key: {{ $root.Values.ledger.existingSecretKey }}
      {{- else }}
      name: {{ index . 1 }}
      key: url
      {{- end }}
{{- end }}
{{- end }}

{{/* The proxy to Cloud SQL, as a sidecar: an init container that goes on. A Job ends without waiting for it. */}}
{{- define "hilum.cloudSqlProxy" -}}
{{- with .Values.cloudSql }}
{{- if .instance }}
initContainers:
  - name: cloud-sql-proxy
    image: {{ .image }}
    restartPolicy: Always
    args:
      - --structured-logs
      - --auto-iam-authn
      {{- if .privateIp }}
      - --private-ip
      {{- end }}
      - --address=127.0.0.1
      - --port=5432
      - --health-check
      - --http-address=0.0.0.0
      - --http-port=9801
      - --exit-zero-on-sigterm
      - {{ .instance }}
    startupProbe:  # what needs the ledger begins after this
      httpGet: {path: /startup, port: 9801}
      periodSeconds: 1
      failureThreshold: 60
    resources: {{- toYaml .resources | nindent 6 }}
    securityContext: {{- include "hilum.containerSecurity" . | nindent 6 }}
{{- end }}
{{- end }}
{{- end }}

{{- define "hilum.podSecurity" -}}
runAsNonRoot: true
runAsUser: {{ .Values.user }}
runAsGroup: {{ .Values.user }}
fsGroup: {{ .Values.user }}
fsGroupChangePolicy: OnRootMismatch
seccompProfile: {type: RuntimeDefault}
{{- end }}

{{- define "hilum.containerSecurity" -}}
allowPrivilegeEscalation: false
readOnlyRootFilesystem: true
capabilities: {drop: [ALL]}
{{- end }}

{{- define "hilum.pullSecrets" -}}
{{- with .Values.imagePullSecrets }}
imagePullSecrets:
  {{- range . }}
  - name: {{ . }}
  {{- end }}
{{- end }}
{{- end }}

{{/* Variables of all of Hilum's own containers. */}}
{{- define "hilum.env" -}}
{{- $env := deepCopy .Values.env }}
{{- if .Values.store.credentialsSecret }}
{{- $_ := set $env "GOOGLE_APPLICATION_CREDENTIALS" "/etc/hilum/bucket/key.json" }}
{{- end }}
{{- $env | toJson }}
{{- end }}

{{/* Volumes of all of Hilum's own containers, as the executor's settings have them: source, path, read_only. */}}
{{- define "hilum.volumes" -}}
{{- $volumes := list }}
{{- if .Values.store.credentialsSecret }}
{{- $source := dict "secret" (dict "secretName" .Values.store.credentialsSecret) }}
{{- $volumes = append $volumes (dict "source" $source "path" "/etc/hilum/bucket" "read_only" true) }}
{{- end }}
{{- if not .Values.store.bucket }}
{{- $source := dict "persistentVolumeClaim" (dict "claimName" (include "hilum.storeClaim" .)) }}
{{- $volumes = append $volumes (dict "source" $source "path" "/var/lib/hilum-store" "read_only" false) }}
{{- end }}
{{- range .Values.watch }}
{{- $source := dict "persistentVolumeClaim" (dict "claimName" .claim) }}
{{- $volumes = append $volumes (dict "source" $source "path" .path "read_only" true) }}
{{- end }}
{{- dict "volumes" $volumes | toJson }}
{{- end }}

{{/* An egress rule to peers at ports. */}}
{{- define "hilum.egress" -}}
- ports:
    {{- range .ports }}
    - {port: {{ . }}, protocol: TCP}
    {{- end }}
  {{- with .to }}
  to: {{- toYaml . | nindent 4 }}
  {{- end }}
{{- end }}

{{- define "hilum.dns" -}}
- ports:
    - {port: 53, protocol: UDP}
    - {port: 53, protocol: TCP}
{{- end }}
