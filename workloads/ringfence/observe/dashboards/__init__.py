"""Grafana dashboards as code: each one file, built with grafana-foundation-sdk and written as JSON into the chart."""
