"""The version of the installed package."""

from importlib.metadata import PackageNotFoundError, version

try:
    __version__ = version("transfernas")
except PackageNotFoundError:  # a clone that is imported by its path alone
    __version__ = "unknown"
