"""Check which source code an app of Codius Workers runs."""
