"""The images story against a loop in plain PyTorch."""
