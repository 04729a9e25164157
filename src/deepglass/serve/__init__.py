"""Pages and services on this machine: labelling."""
