"""The version, as workers tell it to each other."""

VERSION = "0.1.0.dev0"
