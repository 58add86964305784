"""What operators start: resends and reprocessing. It imports the other rooms; none imports it."""
