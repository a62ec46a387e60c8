"""How many threads a process has: what the environment says before NumPy is imported."""

ONE_BLAS_THREAD = {f"{library}_NUM_THREADS": "1" for library in ("OMP", "OPENBLAS", "MKL")}
ONE_THREAD = ONE_BLAS_THREAD | {"NUMBA_NUM_THREADS": "1"}
