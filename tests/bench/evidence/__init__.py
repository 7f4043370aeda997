"""Honest captures and attacks on real photos, judged by the checks, for `python -m tests.bench evidence`."""
