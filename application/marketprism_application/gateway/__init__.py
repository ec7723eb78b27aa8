"""Reading a source: sessions with it, packing, publishing."""
