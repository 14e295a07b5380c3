"""The command line, `transfernas`; a module for each command."""
