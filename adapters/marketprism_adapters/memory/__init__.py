"""Every port in memory: for tests and for trying things out. The contract suites run over these too."""
