"""What plays AWS on this machine, and what starts and stops the parts. Nothing here is used on AWS."""
