"""What runs in a cluster's pods: a silo's driver and the coordinator. Both may end and start again at any time."""
