"""Raw frames of sources in compressed files: what a venue really sent, to be looked at and played again."""
