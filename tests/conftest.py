"""Settings of the whole suite."""

import os

# Set before torch is imported: a suite on two cores must not fight itself for them.
os.environ.setdefault("OMP_NUM_THREADS", "2")
os.environ.setdefault("HF_HUB_OFFLINE", "1")
os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
