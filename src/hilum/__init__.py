"""Hilum: DICOM in; checked, analysed and queryable results out, each with its history."""
