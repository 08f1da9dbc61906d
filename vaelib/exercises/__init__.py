"""Exercises of the chapters: `check("3.1", answer)` says right, or what is wrong."""

from vaelib.exercises.checker import check as check
