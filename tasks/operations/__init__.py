"""What operators start: reprocessing. It imports the other rooms; none imports it."""
