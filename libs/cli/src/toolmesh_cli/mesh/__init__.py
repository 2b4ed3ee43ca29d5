"""The mesh on this machine: start it, watch it, stop it. supervisord does the supervising."""
