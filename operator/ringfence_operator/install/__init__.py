"""What a platform team applies to install the operator without Helm: `python -m ringfence_operator.install`."""
