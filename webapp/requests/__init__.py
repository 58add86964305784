"""What every call stands on: problems, checks, answers, limits, the gateway's resources. Imports `schemas`."""
