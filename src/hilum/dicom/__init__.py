"""DICOM itself: headers, character sets, pixels, geometry and de-identification. Knows no step and no engine."""
