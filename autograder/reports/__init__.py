"""Reports: one file per format, each a pure function from a grade record to text or bytes."""
