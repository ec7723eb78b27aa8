"""Processes: catalogue, container, supervisor, the pipeline of one machine."""
