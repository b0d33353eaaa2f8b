"""``python -m seedloom`` is the command ``seedloom``."""

from seedloom.cli import main

if __name__ == "__main__":
    main()
