"""Accounting, planning, mechanisms and the ledger: everything about privacy that needs no torch."""
