"""Reads a Fluent Bit configuration and says it in Towline's own words. Imported only where such a file is given."""
