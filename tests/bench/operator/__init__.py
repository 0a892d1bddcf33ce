"""How fast the control plane turns jobs into children, beside a bare client that makes the identical writes."""
