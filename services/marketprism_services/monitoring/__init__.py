"""Prometheus' rules, Alertmanager's routes, Grafana's dashboards and runbooks: all of them made of tables in code.

Nothing here is loaded by a running service. `files.py` has every file; `make docs` writes them, and tests run what they
hold against Prometheus' own tools and against a pipeline.
"""
