"""What each factor of a study does, and a factorial study taken apart."""
