"""What the scheduler hands to a worker, and the devices it is trained on."""
