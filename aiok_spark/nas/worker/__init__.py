"""What runs where candidates are looked at: torch, and of ours no Spark side."""
