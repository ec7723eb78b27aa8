"""`python -m marketprism_services`."""

from marketprism_services.cli import main

if __name__ == "__main__":
    main()
