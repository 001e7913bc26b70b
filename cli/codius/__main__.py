import sys

from codius.main import main

sys.exit(main())
