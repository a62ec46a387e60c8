"""`python -m avanet` is the command line."""

import sys

from avanet.cli import main

if __name__ == "__main__":
    sys.exit(main())
