"""The windows: clients of the run file, which start run processes and open no instrument."""
