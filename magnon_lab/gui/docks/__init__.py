"""The live pictures of a run, one file each."""
