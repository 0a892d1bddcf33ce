"""A private step beside the bare loop and beside Opacus: `python -m bench.step` from the folder `tests`."""
