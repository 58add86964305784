"""What operators start: resends and reprocessing. Imports every other room; none imports it."""
