"""Tables of the DICOM standard, transcribed as data with their edition, and the small functions that read them."""
