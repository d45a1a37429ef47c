"""Being here lets the folders below import the drawn face."""
