"""The stages of the pipeline, and how each is run over a batch. Imports `outcomes`, `wake` and `resources`; no lane."""
