"""`python -m marketprism_services`."""

from marketprism_services.cli.app import main

if __name__ == "__main__":
    main()
