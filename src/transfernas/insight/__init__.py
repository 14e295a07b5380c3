"""Views of a learner for people: its beliefs, and the course of a search, as plain data that changes nothing."""
