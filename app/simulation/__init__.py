"""A made-up population in the real market: real rules on a real PostgreSQL, under the market's movable clock.

`parameters` what may be set · `world` places and people · `buying` the tasks that agents post · `choosing` what people
take · `verdicts` what they hand in · `service` the market as they reach it · `life` the events in their order ·
`quoting` forecasts beside it · `outcome` what became of it all · `pictures` the same to look at · `run` all of it
together. docs/simulation.md has the model in words.
"""
