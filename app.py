"""Starts the page: `python app.py`."""

import sys

from gandemo.errors import GanDemoError
from gandemo.ui.app import launch

if __name__ == "__main__":
    try:
        launch()
    except GanDemoError as error:
        print(error, file=sys.stderr)
        sys.exit(2)
