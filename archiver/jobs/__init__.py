"""Long runs made of the pipeline's parts."""
