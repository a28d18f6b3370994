"""`python -m towline`: the same as `towline`."""

import sys

from towline.cli.main import main

if __name__ == "__main__":
    sys.exit(main())
