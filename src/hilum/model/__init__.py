"""The words of Hilum as frozen values: what every floor above speaks, with no behaviour but their own checks."""
