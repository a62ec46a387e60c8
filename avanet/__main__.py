"""`python -m avanet`, and the command `avanet`, are the command line."""

import os
import sys

from avanet.threads import ONE_BLAS_THREAD


def main() -> int:
    """Run the command line; its threads are avanet's own, which change no bit of a result.

    How many: `NUMBA_NUM_THREADS`, one per core by default. The library behind NumPy's products
    rounds otherwise when it splits them, so it gets one.
    """
    os.environ |= ONE_BLAS_THREAD
    from avanet import cli
    return cli.main()


if __name__ == "__main__":
    sys.exit(main())
