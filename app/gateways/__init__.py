"""The ways out to services that are not ours."""
