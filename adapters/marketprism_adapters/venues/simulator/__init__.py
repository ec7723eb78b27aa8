"""Venues on loopback: real web sockets and REST in each venue's own protocol, with faults on demand."""
