"""Grades what students hand in. The judge never runs their code: it sends questions to their kernel, and compares."""
