"""The published language: what goes over the wire, under which subject, in which form."""
