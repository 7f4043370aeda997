"""Local stand-ins for outside services, used by `run`, `demo` and the tests."""
