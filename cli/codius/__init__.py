"""Check which source answers at an app of Codius Workers."""
