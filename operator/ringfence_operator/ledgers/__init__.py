"""What the operator does with ledgers and stores: synchronous, called in threads, safe beside another operator.

Two operators at once cannot overspend: whatever both decide, an entry is validated where it lands in the chain.
"""
