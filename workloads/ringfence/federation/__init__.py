"""The round: coordinator, silos, the exchange between them, and one machine that runs all of it."""
