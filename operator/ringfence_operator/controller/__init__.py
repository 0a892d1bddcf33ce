"""The shell around `reconcile`: what is watched, kept, queued, led, carried out. All I/O of the operator is here."""
