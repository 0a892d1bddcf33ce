"""What the Helm chart takes from the code: the rules of every role."""
