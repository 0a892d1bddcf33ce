"""PrivacyBudgets: whether a plan has room, and what the ledger says, told in status. Pure."""
