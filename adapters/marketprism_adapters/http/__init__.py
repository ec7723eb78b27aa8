"""HTTP edges: envelopes, and what each caller may take."""
