"""What to type when an alert fires: commands that look, commands that mend, and by what one sees that it is over.

A row an alert. Words in capitals with `$` are to be given: an instance, a service, a job. Every line is read by the
command line that it is for in `tests/unit/services/monitoring/test_runbook_commands.py`.
"""

from __future__ import annotations

from marketprism_services.monitoring.steps.market import MARKET
from marketprism_services.monitoring.steps.running import RUNNING
from marketprism_services.monitoring.steps.serving import SERVING
from marketprism_services.monitoring.steps.steps import Steps

STEPS: dict[str, Steps] = {**RUNNING, **MARKET, **SERVING}

__all__ = ["STEPS", "Steps"]
