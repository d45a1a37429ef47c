"""What a model looked at and listened to, and how far that can be trusted."""
