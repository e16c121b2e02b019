"""`python -m visreward`, where the script is not on the path."""

import sys

from visreward.cli import main

sys.exit(main())
