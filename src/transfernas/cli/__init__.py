"""The command line, `transfernas`; a module for each command."""

from .app import app as app
from .app import run as run
