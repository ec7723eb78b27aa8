"""`python -m tests.benchmarks`: what targets ask for, measured; results as JSON."""
