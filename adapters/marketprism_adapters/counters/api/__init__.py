"""The counters' compiled API: library, callbacks, codes."""
