"""`marketprism doctor`: is this machine set up, and does what runs here answer; with `--production`, is it fit to be
relied on. `setup` are the checks of any machine, `production` those of one that people depend on."""

from __future__ import annotations

from marketprism_services.cli.doctor.command import doctor

__all__ = ["doctor"]
