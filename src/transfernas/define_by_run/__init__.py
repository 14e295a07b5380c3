"""Searches of spaces that nobody declared: a program asks for one parameter after the other."""
