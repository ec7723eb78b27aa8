"""Checks of a machine and a pipeline that people rely on, a module a concept. Each judges what it was given or has
read; `checks` brings them together."""
