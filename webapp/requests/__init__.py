"""What every call needs: problems, validation, answers, limits, the gateway's resources. Imports `schemas`."""
