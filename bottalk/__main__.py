"""`python -m bottalk`."""

from bottalk.cli import main

if __name__ == "__main__":
    main()
