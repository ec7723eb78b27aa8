"""Databases of VeighNa as files of rows: what its settings say, the tables, and recordings of their ticks."""
